"""What every test shares: a cache of its own, whatever the scope of the fixture that runs a command.

And a browser: a process has room for one playwright.
"""

from __future__ import annotations

import faulthandler
import os
import shutil
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck

# How long an example takes says more about the machine than about the code; examples may share a folder.
hypothesis.settings.register_profile(
    "sparkle",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("sparkle")

# A forked process that hangs says where, and ends, before the time of its test is up.
_HANG = 900  # seconds
os.register_at_fork(
    after_in_child=lambda: faulthandler.dump_traceback_later(_HANG, exit=True, file=sys.__stderr__)
)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or fills the user's hash cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARKLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium, for pages from the disk."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: pages are driven in one")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
