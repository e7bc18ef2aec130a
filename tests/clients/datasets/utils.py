"""The decorators that test_upstream_hub.py imports."""

from __future__ import annotations

import pytest
from datasets import config


def for_all_test_methods(*decorators):
    def decorate(cls):
        for name, function in list(vars(cls).items()):
            if name.startswith("test"):
                for decorator in decorators:
                    function = decorator(function)
                setattr(cls, name, function)
        return cls

    return decorate


def xfail_if_500_502_http_error(function):
    return function  # a hub of one's own that answers 500 has failed


def require_pil(function):
    return pytest.mark.skipif(not config.PIL_AVAILABLE, reason="wants Pillow")(function)


def require_torchcodec(function):
    return pytest.mark.skipif(not config.TORCHCODEC_AVAILABLE, reason="wants torchcodec")(function)
