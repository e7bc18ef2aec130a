"""The names of `sparkle` itself: all there, and none of them makes `import sparkle` heavy."""

from __future__ import annotations

import subprocess
import sys

import pytest

import sparkle

HEAVY = ("numpy", "pyarrow", "datasets", "torch", "av", "cv2", "huggingface_hub")


@pytest.mark.parametrize("name", sparkle.__all__)
def test_every_name_is_there(name):
    assert getattr(sparkle, name)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sparkle.nothing


def test_import_is_light():
    code = f"import sys, sparkle; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
