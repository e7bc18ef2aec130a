"""Ranges of files of a repository over HTTP, through the client's own session.

How it works
- A Hub answers a large file with a redirect to a signed address that is good for some time (an hour on the
  public Hub). It is remembered a file: one request more for each, not for each range. When it has expired, it
  is asked for once more. The token goes to the Hub alone, never to where it redirects.
- An answer that breaks off is continued from where it broke off. What is waited for, how long, and what is
  said of it is for `client` to decide; failures without progress are counted together.
- An answer that is not the range that was asked for, of a file of another size or content than is known of
  it, is an error at once: what comes after would be wrong bytes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Lock
from urllib.parse import urljoin, urlsplit

from huggingface_hub import constants, get_token, hf_hub_url
from huggingface_hub.errors import OfflineModeIsEnabled

from sparkle._patience import BUSY
from sparkle.builders.reading.client import explain, no_hub
from sparkle.builders.reading.patience import STREAMING, Patience, tell
from sparkle.builders.reading.repository import DATASET, RepoKind
from sparkle.builders.reading.session import Answer, HttpError, get
from sparkle.builders.release.manifest import FileEntry
from sparkle.schemas.errors import ReleaseError, UnreachableError

_PROGRESS = 1 << 20  # bytes that arrived before a failure, after which failures are counted anew
_REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_EXPIRED = (400, 401, 403, 404, 410)  # how storage answers to a signed address that is too old
_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class Ranges:
    """Ranges of the files of a repository at a commit.

    Args:
        repo: `owner/name`.
        commit: The commit.
        say: Told of waits.
        kind: Whether it is a dataset's or a model's.

    Attributes:
        requests: How many were made, redirects and repetitions included.
        bytes_received: Bytes of their answers.
    """

    def __init__(
        self, repo: str, commit: str, say: Callable[[str], None] = tell, kind: RepoKind = DATASET
    ) -> None:
        self.requests = 0
        self.bytes_received = 0
        self._repo, self._commit, self._kind = repo, commit, kind
        self._locations: dict[str, str] = {}  # where a file's ranges are, once the Hub has said it
        self._patience = Patience(f"{repo}@{commit}", say, STREAMING)
        self._gates: dict[str, Lock] = {}
        self._lock = Lock()

    def read(self, path: str, start: int, end: int, known: FileEntry | None, remedy: str) -> bytearray:
        """Bytes of a file.

        Args:
            path: The file.
            start: Offset of the first byte.
            end: Offset behind the last one.
            known: What is known of the file.
            remedy: What to do when it is not what is known of it.

        Raises:
            ReleaseError: the file is not there, or not the one that is known.
            UnreachableError: the Hub does not answer, or not with what was asked for.
        """
        data = bytearray()
        for block in self.blocks(path, start, end, known, remedy):
            data += block
        return data

    def blocks(
        self, path: str, start: int, end: int, known: FileEntry | None, remedy: str
    ) -> Iterator[bytes]:
        """The bytes of a range, block by block as they arrive, each once; see `read`."""
        position = start
        where = f"{self._repo}@{self._commit} {path}"
        asked = _Asked(path, end, known, remedy, where)
        spell = self._patience.spell(where)
        while position < end:
            before = position
            try:
                for block in self._answer(asked, position):
                    position += len(block)
                    yield block
                continue
            except (
                HttpError,
                OfflineModeIsEnabled,
            ) as error:  # busy, or no connection, or one that broke off
                failure = error
            if position - before >= _PROGRESS:
                spell = self._patience.spell(where)
            spell.wait_after(failure)

    def _answer(self, asked: _Asked, start: int) -> Iterator[bytes]:
        """Yield the blocks of one answer, which may be fewer than were asked for."""
        origin = hf_hub_url(self._repo, asked.path, repo_type=self._kind, revision=self._commit)
        for _ in range(_REDIRECTS):
            with ExitStack() as gate, ExitStack() as answering:
                url = self._locations.get(asked.path)
                if url is None:  # one asks where it is, the others wait for what it is told
                    gate.enter_context(self._gate(asked.path))
                    url = self._locations.get(asked.path, origin)
                headers = {"Range": f"bytes={start}-{asked.end - 1}", "Accept-Encoding": "identity"}
                if urlsplit(url).netloc == urlsplit(origin).netloc:
                    headers |= _credentials()
                with self._lock:
                    self.requests += 1
                answer = answering.enter_context(get(url, headers))
                asked.check_content(answer)
                if answer.status_code in _MOVED and answer.location:
                    self._locations[asked.path] = urljoin(url, answer.location)
                elif answer.status_code in _EXPIRED and url != origin:
                    self._locations.pop(asked.path, None)
                else:
                    self._locations[asked.path] = url
                    gate.close()
                    yield from self._body(asked, start, answer)
                    return
        raise UnreachableError("the Hub redirects without end", where=asked.where)

    def _gate(self, path: str) -> Lock:
        with self._lock:
            return self._gates.setdefault(path, Lock())

    def _body(self, asked: _Asked, start: int, answer: Answer) -> Iterator[bytes]:
        if answer.status_code in BUSY:
            answer.raise_for_status()
        if answer.status_code == 416:
            raise asked.stale("a range that the file does not have", f"bytes {start} to {asked.end}")
        if answer.status_code >= 400:
            asked.raise_for(answer)
        asked.check_range(answer, start)
        left = asked.end - start
        for block in answer.blocks():
            with self._lock:
                self.bytes_received += len(block)
            if len(block) > left:
                raise UnreachableError(
                    "the Hub answers with more than was asked for", wanted=f"{left} bytes", where=asked.where
                )
            left -= len(block)
            yield block


class _Asked:
    """What was asked for, and whether an answer is it."""

    def __init__(self, path: str, end: int, known: FileEntry | None, remedy: str, where: str) -> None:
        self.path, self.end, self.known, self.remedy, self.where = path, end, known, remedy, where

    def stale(self, problem: str, got: object, wanted: object = None) -> ReleaseError:
        """The error for a file that is not the one that is known."""
        return ReleaseError(
            f"the tables speak of another file: {problem}",
            got=got,
            wanted=wanted,
            where=self.where,
            fix=self.remedy,
        )

    def raise_for(self, answer: Answer) -> None:
        """Raise the error that an answer is; what is not there any more, the tables still speak of."""
        try:
            answer.raise_for_status()
        except HttpError as error:
            found = explain(error, self.where)
            found.fix = found.fix or self.remedy
            raise found from None

    def check_content(self, answer: Answer) -> None:
        """Compare the sha256 that a Hub gives of a large file."""
        tag = (answer.headers.get("X-Linked-ETag") or "").removeprefix("W/").strip('"')
        if self.known is not None and _SHA256.fullmatch(tag) and tag != self.known.sha256:
            raise self.stale("it was changed since", f"sha256 {tag}", f"sha256 {self.known.sha256}")

    def check_range(self, answer: Answer, start: int) -> None:
        """Compare what an answer says that it is with what was asked for, and the file's size."""
        if answer.status_code == 200 and start == 0:
            total = answer.headers.get("Content-Length", "")
            if total == str(self.end):
                return  # the whole file was asked for, and some servers answer so
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if answer.status_code == 200 and answer.headers.get("Content-Type", "").startswith("text/html"):
            problem, fix = no_hub()
            raise UnreachableError(problem, got="a page of HTML", where=self.where, fix=fix)
        if answer.status_code != 206 or match is None:
            raise UnreachableError(
                "the Hub does not answer ranges",
                got=f"status {answer.status_code}, {answer.headers.get('Content-Range')}",
                wanted="status 206 with the range that was asked for",
                where=self.where,
            )
        if self.known is not None and match[3] not in ("*", str(self.known.size)):
            raise self.stale(
                "it is longer or shorter than it was", f"{match[3]} bytes", f"{self.known.size} bytes"
            )
        if (int(match[1]), int(match[2])) != (start, self.end - 1):
            raise UnreachableError(
                "the Hub answers with another range than was asked for",
                got=match[0],
                wanted=f"bytes {start}-{self.end - 1}",
                where=self.where,
            )


def _credentials() -> dict[str, str]:
    """The header that says who asks, as the client's user has it."""
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    return {} if token is None else {"Authorization": f"Bearer {token}"}
