"""What every test shares: a cache of its own, whatever the scope of the fixture that runs a command."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test sees or fills the user's hash cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARKLE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
