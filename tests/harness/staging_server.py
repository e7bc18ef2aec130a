"""A staging hub in a process of its own, for tests: `with staging(root) as hub`."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What a client must not bring along from the machine that runs the tests.
_FOREIGN = ("HF_", "HUGGING", "XDG_CACHE_HOME", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")


# Ports that no connection is given, unlike those that port 0 takes: one stays free for its hub.
_PORTS = range(20_000, 32_768)

# The command `sparkle-hub`, also where it is not on the path.
HUB = [sys.executable, "-c", "from sparkle.commands import hub; hub()"]


@dataclass
class Staging:
    """A running hub.

    Attributes:
        root: Its folder.
        options: Of `sparkle serve`.
        launcher: A command that the hub is started by, such as one that gives it a small disk.
        url: Where it answers; the same after a restart.
        write_token: May do everything.
        read_token: May read private repositories.
    """

    root: Path
    options: Sequence[str] = ()
    launcher: Sequence[str] = ()
    url: str = ""
    write_token: str = field(default="", repr=False)
    read_token: str = field(default="", repr=False)
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start the hub and wait until it answers."""
        port = self.url.rpartition(":")[2] or str(_free_port())
        command = [*self.launcher, *HUB, "serve", "--json", "--allow-faults"]
        command += ["--root", str(self.root), "--port", port, *self.options]
        log = (self.root.parent / f"{self.root.name}.log").open("ab")
        with log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the hub did not start: {self.log()}"
        said = json.loads(line)
        self.url = said["url"]
        self.write_token = said.get("write_token", self.write_token)
        self.read_token = said.get("read_token", self.read_token)

    def stop(self) -> None:
        """Stop the hub as a person would."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Stop the hub as a power cut would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start the hub again, at the same address; kills it first if it runs."""
        if self.process is not None:
            self.kill()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(240)
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None

    def log(self) -> str:
        """What the hub wrote to standard error, over all of its starts."""
        return (self.root.parent / f"{self.root.name}.log").read_text("utf-8")

    def env(self, home: Path, *, token: str | None = None, xet: bool = True) -> dict[str, str]:
        """The environment of a client of this hub and no other.

        Args:
            home: Its HF_HOME, fresh for each hub: the client remembers what a hub has.
            token: Which token it has; None is the write token, an empty text is none.
            xet: Whether it uploads by Xet; else by LFS.
        """
        own = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
        own |= {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "0",
            "HF_HUB_DISABLE_XET": "0" if xet else "1",
            "NO_PROXY": "*",
        }
        token = self.write_token if token is None else token
        return own | ({"HF_TOKEN": token} if token else {})

    def python(
        self, code: str, home: Path, *arguments: object, check: bool = True, **env: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run a client's Python in another process; `env` as in `Staging.env`."""
        result = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=self.env(home, **env),
            capture_output=True,
            text=True,
            timeout=240,
        )
        if check and result.returncode:
            raise AssertionError(f"the client failed:\n{result.stdout}\n{result.stderr}\n{self.log()}")
        return result

    @contextmanager
    def running_python(
        self, code: str, home: Path, *arguments: object, **env: Any
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A client's Python while the block lasts; it is killed when the block is left."""
        command = [sys.executable, "-c", code, *map(str, arguments)]
        with subprocess.Popen(
            command, env=self.env(home, **env), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def counters(self) -> dict[str, Any]:
        """What the hub counted since it started or `reset_counters`: see `hub/staging/faults.py`."""
        answer: dict[str, Any] = self._operate("GET", "counters")
        return answer

    def reset_counters(self) -> None:
        """Begin to count at zero."""
        self._operate("DELETE", "counters")

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Make requests fail by these rules alone (none: no more faults): see `hub/staging/faults.py`."""
        self._operate("PUT", "faults", list(rules))

    def _operate(self, method: str, name: str, body: object = None) -> Any:
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/_staging/{name}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.write_token}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=240) as answer:
            return json.load(answer)


def _free_port() -> int:
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def staging(root: Path, *options: str, launcher: Sequence[str] = ()) -> Iterator[Staging]:
    """Serve a hub from a folder on a free port, until the block is left; see `Staging` for the arguments."""
    hub = Staging(root, options, launcher)
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()
