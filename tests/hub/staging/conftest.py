"""A staging hub for the tests of this folder, and the unmodified client in processes of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from harness import staging_server

# Runs codes as they come, each with names of its own. What a code may use besides the client's names: `given`
# holds the test's values, and what `answer` is at the end comes back. Standard output is for answers alone.
_CLIENT = """
import json, os, sys, traceback
from pathlib import Path
from huggingface_hub import *
from huggingface_hub.errors import *
from huggingface_hub.utils import build_hf_headers, get_session

def refusal(call, *args, **kwargs):
    "The name of the error that a call raises, and its status."
    try:
        call(*args, **kwargs)
    except HfHubHTTPError as error:
        return [type(error).__name__, error.response.status_code]
    return None

api, answers = HfApi(), os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for line in sys.stdin:
    asked = json.loads(line)
    names = {**globals(), "given": asked["given"], "answer": None}
    try:
        exec(asked["code"], names)
        told = {"answer": names["answer"]}
    except Exception:
        told = {"failed": traceback.format_exc()}
    print(json.dumps(told), file=answers, flush=True)
"""


class Client:
    """A process of the unmodified client: it knows one hub, by one token; `env` as in `Staging.env`."""

    def __init__(self, hub: staging_server.Staging, home: Path, **env: Any) -> None:
        self._hub = hub
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CLIENT],
            env=hub.env(home, **env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, code: str, **given: Any) -> Any:
        """Run a code; returns its `answer`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"code": code, "given": given}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline() or '{"failed": "it died"}')
        assert "failed" not in told, f"the client failed: {told['failed']}\n{self._hub.log()}"
        return told["answer"]

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[staging_server.Staging]:
    """One hub for the whole folder, because its clients take seconds to start; each test has repositories."""
    with staging_server.staging(tmp_path_factory.mktemp("staging") / "root") as running:
        yield running


@pytest.fixture(scope="session")
def client(hub: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Any]]:
    """Run a client's code against the shared hub, in one process per token and way to upload."""
    home = tmp_path_factory.mktemp("home")
    running: dict[tuple[bool, str | None], Client] = {}
    with ExitStack() as opened:

        def run(code: str, *, xet: bool = True, token: str | None = None, **given: Any) -> Any:
            if (xet, token) not in running:
                running[xet, token] = opened.enter_context(Client(hub, home, xet=xet, token=token))
            return running[xet, token](code, **given)

        yield run


@pytest.fixture
def run_client(tmp_path: Path) -> Callable[..., Any]:
    """Run a client's code against a hub of the test's own, in a process that ends with it."""

    def run(hub: Any, code: str, *, xet: bool = True, **given: Any) -> Any:
        with Client(hub, tmp_path / "home", xet=xet) as client:
            return client(code, **given)

    return run
