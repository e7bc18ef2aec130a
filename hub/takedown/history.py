"""What a repository still holds of samples that were taken down: in older commits, tags, pull requests.

How it works
- Whether a commit shows a sample is read from the tables that it has: a few columns, by range. Tables that
  several commits have are read once.
- Which files of such a commit hold it follows from its rows and its manifest: the tars and loose files of the
  sample, and the text, tables, paired shards and strip of its theme.
- Commits of a publish that was under way have tars and no table yet: they are older than one that has both,
  and go with it when history is purged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
from huggingface_hub import HfApi
from huggingface_hub.errors import EntryNotFoundError
from huggingface_hub.hf_api import GitRefInfo

from sparkle._progress import Progress, silent
from sparkle.builders.reading.hub import HubPlace, list_tree
from sparkle.builders.reading.patience import WRITING, Patience, tell
from sparkle.builders.reading.place import read_entries
from sparkle.builders.reading.sparse import read_listed
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.takedown.cuts import names_sample
from sparkle.schemas import layout
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import KINDS

_COLUMNS = ("task", "source_sha256", *(f"{kind.name}_shard" for kind in KINDS))

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Trace:
    """Where samples still are.

    Attributes:
        commits: Older commits of the branch that show them, newest first.
        refs: Other branches, tags and pull requests whose newest commit shows them, in full (`refs/...`).
        files: Commit and file of everything that holds them, each content once.
    """

    commits: tuple[str, ...] = ()
    refs: tuple[str, ...] = ()
    files: tuple[tuple[str, FileEntry], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """It as JSON values."""
        files = [
            {"commit": commit, "path": file.path, "size": file.size, "sha256": file.sha256}
            for commit, file in self.files
        ]
        return {"commits": self.commits, "refs": self.refs, "files": files}

    def lines(self) -> list[str]:
        """It for people."""
        if not self.files:
            return ["history: no commit, tag or branch still shows it"]
        newest = f" (the newest is {self.commits[0][:12]})" if self.commits else ""
        size = sum(file.size for _, file in self.files)
        found = [f"history: {len(self.commits):,} older commits still show it{newest}"]
        found += [f"history: {ref.removeprefix('refs/')} still shows it" for ref in self.refs]
        return [*found, f"history: {len(self.files):,} files of {size:,} bytes hold it"]


class History:
    """The commits of a repository, asked about some samples.

    Args:
        repo: `owner/name`.
        cache: Where manifests are kept for now.
        ids: The samples.
        sources: Sources of samples.
        say: Told of waits; the default writes to standard error.
    """

    def __init__(
        self,
        repo: str,
        cache: Path,
        ids: Sequence[str],
        sources: Sequence[str],
        say: Callable[[str], None] = tell,
    ) -> None:
        self.repo = repo
        self.api = HfApi()
        self._cache = cache
        lowered = [source.lower() for source in sources]
        self._wanted = {"task": pa.array(ids, pa.string()), "source_sha256": pa.array(lowered, pa.string())}
        self._say = say
        self._patience = Patience(repo, say, WRITING)
        self._rows: dict[str, list[dict[str, str | None]]] = {}  # a table's hash -> its rows of the samples
        self._held: dict[str, tuple[FileEntry, ...]] = {}  # commit -> its files that hold them

    def ask(self, action: Callable[[], Answer]) -> Answer:
        """Ask the Hub something, patiently; raises SparkleError."""
        return self._patience.run(action)

    def refs(self) -> list[GitRefInfo]:
        """Every branch, tag and pull request."""
        refs = self.ask(
            lambda: self.api.list_repo_refs(self.repo, repo_type="dataset", include_pull_requests=True)
        )
        return [*refs.branches, *refs.tags, *(refs.pull_requests or ())]

    def commits(self, revision: str) -> list[str]:
        """A branch's commits, newest first."""
        found = self.ask(
            lambda: self.api.list_repo_commits(self.repo, repo_type="dataset", revision=revision)
        )
        return [commit.commit_id for commit in found]

    def trace(self, branch: str, progress: Progress = silent) -> Trace:
        """Where the samples still are, besides at the head of a branch, whose files hold none of them."""
        others = [ref for ref in self.refs() if ref.ref != f"refs/heads/{branch}"]
        head, *older = self.commits(branch)
        clean = frozenset() if self.held(head) else {entry.sha256 for entry in self._manifest(head).values()}
        files: dict[str, tuple[str, FileEntry]] = {}
        asked = dict.fromkeys((*older, *(ref.target_commit for ref in others)))
        with progress("reading history", len(asked)) as advance:
            for commit in asked:
                for file in self.held(commit):
                    if file.sha256 not in clean:
                        files.setdefault(file.sha256, (commit, file))
                advance()
        return Trace(
            commits=tuple(commit for commit in older if self.held(commit)),
            refs=tuple(ref.ref for ref in others if self.held(ref.target_commit)),
            files=tuple(files[sha256] for sha256 in sorted(files)),
        )

    def held(self, commit: str) -> tuple[FileEntry, ...]:
        """The files of a commit that hold the samples; none when it does not show them."""
        if commit not in self._held:
            rows = [row for table in self._tables(commit) for row in self._read(commit, table)]
            self._held[commit] = tuple(self._files(commit, rows)) if rows else ()
        return self._held[commit]

    def _tables(self, commit: str) -> Iterable[FileEntry]:
        """The tables of pairs that a commit has."""

        def ask() -> Mapping[str, FileEntry]:
            try:
                return list_tree(self.repo, commit, layout.DATA)
            except EntryNotFoundError:
                return {}

        listed = self.ask(ask)
        return [entry for path, entry in listed.items() if layout.parse(path).what is layout.What.PAIRS]

    def _read(self, commit: str, entry: FileEntry) -> list[dict[str, str | None]]:
        """The rows of the samples in a table."""
        key = entry.sha256 or entry.git_sha1 or ""
        if key not in self._rows:
            table = read_listed(self._place(commit), entry, _COLUMNS, optional=_COLUMNS)
            found = pa.array([False] * table.num_rows)
            for column, values in self._wanted.items():
                if column in table.column_names and len(values):
                    found = pc.or_(found, pc.is_in(table[column], values, skip_nulls=True))
            self._rows[key] = table.filter(found).to_pylist()
        return self._rows[key]

    def _place(self, commit: str) -> HubPlace:
        return HubPlace(self.repo, commit, cache=self._cache, say=self._say, bound=WRITING)

    def _files(self, commit: str, rows: Sequence[Mapping[str, str | None]]) -> Iterator[FileEntry]:
        shards = {row.get(f"{kind.name}_shard") for row in rows for kind in KINDS}
        ids = frozenset(str(row["task"]) for row in rows)
        themes = {theme_of(sample_id) for sample_id in ids}
        for path, entry in self._manifest(commit).items():
            at = layout.parse(path)
            lone = path.endswith(".tar") and at.what is not layout.What.PAIRED
            shared = at.theme in themes and at.what is not layout.What.FILE and not lone
            if path in shards or names_sample(path, ids) or shared:
                yield entry

    def _manifest(self, commit: str) -> dict[str, FileEntry]:
        return read_entries(self._place(commit))
