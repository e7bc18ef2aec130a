"""What the tests of huggingface_hub find in their repository and not in their sdist, for a staging hub.

Its fixtures are written anew here, by what the tests ask of them. One token is everybody's: the hub has no
accounts, so other users of the tests are the same one.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from tests import testing_constants

_URL, _TOKEN = os.environ["HUB_URL"], os.environ["HUB_TOKEN"]

testing_constants.USER = testing_constants.OTHER_USER = testing_constants.ENTERPRISE_USER = "staging"
testing_constants.TOKEN = testing_constants.OTHER_TOKEN = testing_constants.ENTERPRISE_TOKEN = _TOKEN

from tests.testing_utils import repo_name  # noqa: E402 - after the constants are set

_CARD = """---
language:
- en
license: mit
library_name: pytorch-lightning
tags:
- pytorch
- image-classification
datasets:
- beans
metrics:
- acc
---

# my-cool-model
"""


def pytest_configure(config: pytest.Config) -> None:
    cards = Path(__file__).parent / "fixtures/cards"
    cards.mkdir(parents=True, exist_ok=True)
    (cards / "sample_simple.md").write_text(_CARD, encoding="utf-8")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("production") is not None:
            item.add_marker(pytest.mark.skip("asks the public Hub"))


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has caches and a token's file of its own."""
    home = tmp_path_factory.mktemp("home")
    for name, below in (
        ("HF_HOME", ""),
        ("HF_HUB_CACHE", "hub"),
        ("HF_XET_CACHE", "xet"),
        ("HUGGINGFACE_HUB_CACHE", "hub"),
        ("HF_ASSETS_CACHE", "assets"),
        ("HF_TOKEN_PATH", "token"),
        ("HF_STORED_TOKENS_PATH", "stored_tokens"),
    ):
        monkeypatch.setattr(constants, name, str(home / below))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_EXPERIMENTAL_WARNING", True)


@pytest.fixture(autouse=True)
def plain_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line says the same to everybody."""
    from huggingface_hub.cli._output import out
    from huggingface_hub.utils import _detect_agent

    monkeypatch.setattr(_detect_agent, "_registry", _detect_agent._EMPTY_REGISTRY)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    out.set_mode()
    out.set_no_truncate(False)


@pytest.fixture(autouse=True)
def marked(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch):
    """What the tests' marks ask for: Xet or not, a warning that must come."""
    node = request.node
    if node.get_closest_marker("git_lfs"):
        pytest.skip("wants git-lfs")
    if node.get_closest_marker("no_xet"):
        pytest.skip("wants a machine without hf_xet")
    if node.get_closest_marker("xet"):
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
        monkeypatch.delenv("HF_HUB_DISABLE_XET", raising=False)
    deprecated = node.get_closest_marker("deprecated")
    if deprecated is None:
        yield
        return
    with pytest.warns(FutureWarning, match=f".*'{deprecated.args[0]}'.*"):
        yield


@pytest.fixture(scope="session")
def api() -> HfApi:
    return HfApi(endpoint=_URL, token=_TOKEN)


@pytest.fixture(scope="session")
def api_prod() -> HfApi:
    return HfApi(endpoint=testing_constants.ENDPOINT_PRODUCTION)


class RepoFactory:
    """Makes repositories that are gone after the test."""

    def __init__(self, api: HfApi) -> None:
        self._api, self.made = api, []

    def __call__(self, repo_type: str = "model", repo_id: str | None = None, **options):
        if repo_type == "space":
            options.setdefault("space_sdk", "gradio")
        made = self._api.create_repo(repo_id or repo_name(prefix=repo_type), repo_type=repo_type, **options)
        self.made.append((made.repo_id, repo_type))
        return made


@pytest.fixture
def repo_factory(api: HfApi):
    factory = RepoFactory(api)
    yield factory
    for repo_id, repo_type in factory.made:
        api.delete_repo(repo_id, repo_type=repo_type, missing_ok=True)


@pytest.fixture
def new_repo_id(api: HfApi):
    repo_id = f"{testing_constants.USER}/{repo_name()}"
    yield repo_id
    api.delete_repo(repo_id, missing_ok=True)
