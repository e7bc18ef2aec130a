"""A staging hub for the tests of this folder, and the unmodified client in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import staging_server

# What a client's code may use: `given` holds the test's values, and what `answer` is at the end comes back.
_CLIENT = """
import json, sys
from pathlib import Path
from huggingface_hub import *
from huggingface_hub.errors import *
given = json.loads(sys.argv[1])
api, answer = HfApi(), None

def refusal(call, *args, **kwargs):
    "The name of the error that a call raises, and its status."
    try:
        call(*args, **kwargs)
    except HfHubHTTPError as error:
        return [type(error).__name__, error.response.status_code]
    return None

{code}
print("ANSWER" + json.dumps(answer))
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A hub that the tests of a module share; each uses a repository of its own."""
    with staging_server.staging(tmp_path_factory.mktemp("staging") / "root") as running:
        yield running


@pytest.fixture
def run_client(tmp_path: Path) -> Callable[..., Any]:
    """Run a client's code against a hub; returns its `answer`. Further keywords are `Staging.env`'s."""

    def run(hub: Any, code: str, *, xet: bool = True, token: str | None = None, **given: Any) -> Any:
        home = tmp_path / f"home-{hub.url.rpartition(':')[2]}"
        result = hub.python(_CLIENT.replace("{code}", code), home, json.dumps(given), xet=xet, token=token)
        return json.loads(result.stdout.rpartition("ANSWER")[2])

    return run


@pytest.fixture
def client(hub: Any, run_client: Callable[..., Any]) -> Callable[..., Any]:
    """Run a client's code against the module's hub."""
    return lambda code, **given: run_client(hub, code, **given)
