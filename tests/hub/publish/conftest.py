"""A staging hub, and publishers of it in processes of their own, as users run them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import HfApi

from sparkle.builders.release.manifest import FileEntry, dump_manifest, parse_manifest
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_bytes, sha256_file

_CLI = "from sparkle.commands import hub; hub()"


@dataclass
class Publisher:
    """Someone who publishes to a hub: `home` is all that their machine remembers."""

    hub: Any
    home: Path

    def env(self, **client: Any) -> dict[str, str]:
        """The environment; `client` as in `Staging.env`."""
        quick = {"HF_XET_CLIENT_RETRY_BASE_DELAY": "200ms"}  # instead of three seconds
        return {**self.hub.env(self.home, **client), "SPARKLE_CACHE": str(self.home / "sparkle"), **quick}

    def start(self, *arguments: object, **client: Any) -> subprocess.Popen[str]:
        """Start `sparkle publish --json` with these arguments."""
        words = [sys.executable, "-c", _CLI, "publish", "--json", *map(str, arguments)]
        return subprocess.Popen(
            words, env=self.env(**client), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *arguments: object, **client: Any) -> dict[str, Any]:
        """Publish; returns what the command printed, which must be a success."""
        status, said = self.outcome(self.start(*arguments, **client))
        assert status == 0, said
        return said

    def refused(self, *arguments: object, **client: Any) -> dict[str, str]:
        """Publish; returns the parts of the error, which there must be."""
        status, said = self.outcome(self.start(*arguments, **client))
        assert status == 2, said
        parts: dict[str, str] = said["error"]
        return parts

    def outcome(self, process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
        """Exit code and JSON of a command; no secret may be in what it says."""
        out, err = process.communicate(timeout=200)
        assert self.hub.write_token not in out + err
        assert "Traceback" not in err, err
        assert "X-Amz" not in out + err
        return process.returncode, json.loads(out) if out else {"stderr": err}

    def python(self, code: str, *arguments: object, **client: Any) -> subprocess.Popen[str]:
        """Start a Python of theirs."""
        words = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(
            words, env=self.env(**client), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    @property
    def api(self) -> HfApi:
        """The client, for looking at the hub from the test's own process."""
        return HfApi(endpoint=self.hub.url, token=self.hub.write_token)

    def tree(self, repo: str, revision: str = "main") -> dict[str, str]:
        """sha256 of every file of a repository, without the hub's own."""
        found = {}
        for item in self.api.list_repo_tree(
            repo, repo_type="dataset", revision=revision, recursive=True, expand=False
        ):
            if item.path == ".gitattributes" or not hasattr(item, "blob_id"):
                continue
            text = None if item.lfs else self.read(repo, item.path, revision)
            found[item.path] = item.lfs.sha256 if text is None else sha256_bytes(text)
        return found

    def read(self, repo: str, path: str, revision: str) -> bytes:
        """A file of a repository."""
        cache = self.home / "reading"
        got = self.api.hf_hub_download(repo, path, repo_type="dataset", revision=revision, cache_dir=cache)
        return Path(got).read_bytes()

    def history(self, repo: str) -> list[str]:
        """The commits of the main branch, oldest first, without the one that a repository begins with."""
        return [c.commit_id for c in self.api.list_repo_commits(repo, repo_type="dataset")][::-1][1:]

    def whole_at(self, repo: str, revision: str) -> bool:
        """Whether a revision is a release of which every listed file is there as listed."""
        tree = self.tree(repo, revision)
        if layout.MANIFEST not in tree:
            return False
        listed = parse_manifest(self.read(repo, layout.MANIFEST, revision), revision)
        assert all(tree.get(entry.path) == entry.sha256 for entry in listed)
        assert layout.CARD in tree
        return True


@pytest.fixture
def publisher(hub: Any, tmp_path: Path) -> Iterator[Publisher]:
    """Someone with a machine of their own."""
    yield Publisher(hub, tmp_path / "home")
    hub.faults()


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


@pytest.fixture(scope="session", name="hashes")
def hashes_of() -> Any:
    """`hashes(folder)`: sha256 of every file of a folder."""
    return hashes


@pytest.fixture(scope="session")
def rough_release() -> Any:
    """`rough_release(folder, sizes)`: shards of drawn bytes with a card and a manifest, and nothing else.

    It is no release that `sparkle validate` would pass: it is published without that check.
    """

    def make(folder: Path, sizes: list[int]) -> Path:
        import numpy as np

        draw = np.random.default_rng(sum(sizes))
        folder.mkdir()
        files = {
            layout.SOURCE_VIDEO.shard("location", part): draw.bytes(size) for part, size in enumerate(sizes)
        }
        files[layout.CARD] = b"---\nlicense: apache-2.0\n---\n# Drawn bytes\n"
        for path, data in files.items():
            (folder / path).write_bytes(data)
        entries = [FileEntry(path, len(data), sha256_bytes(data)) for path, data in files.items()]
        (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
        return folder

    return make
