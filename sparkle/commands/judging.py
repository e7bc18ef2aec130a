"""A model's results of a bench become a file of verdicts: the one place where judges and benches meet.

How it works
- Verdicts are appended as they come, each with fsync, and sorted in the end: the same ones have the same
  bytes, whatever the order, the workers or the kills. The same command goes on where it was ended.
- What goes on must be the same: bench, rubric, judge, model. A line that was torn is asked for again; any
  other that does not fit is an error with its number.
- What the judge could not say, for want of an answer, is asked again. An edit that was made since, or made
  anew, is judged anew.
- A lock beside the file keeps a second run off.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparkle._files import append_lines, exclusive, stamp
from sparkle._processes import useful_workers
from sparkle._progress import Progress, silent
from sparkle.builders.bench.edits import BenchEdit
from sparkle.builders.bench.folder import BenchItem, read_bench
from sparkle.builders.bench.results import Results, read_results
from sparkle.builders.bench.verdicts import (
    FORMAT,
    VERSION,
    read_unfinished,
    require_same,
    write_verdicts,
)
from sparkle.generation.judges.judge import Judge, JudgedEdit, Opinion
from sparkle.generation.judges.judging import Task, judge_all
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ReleaseError, RunError
from sparkle.schemas.validate import Finding
from sparkle.schemas.verdicts import Verdict, VerdictsHead

_MILLION = 1_000_000


@dataclass(frozen=True)
class JudgePlan:
    """What is to be judged, and about what that takes.

    Attributes:
        samples: Of the bench.
        edits: That can be judged.
        missing: Edits that are not there.
        unusable: Edits that cannot be judged.
        suspect: Edits that are judged only where that is said.
        judged: Verdicts that there are already.
        to_judge: Verdicts that there are not yet.
        cached: Those of them whose answers are kept.
        requests: That are sent if every answer can be read; twice as many if none can.
        megabytes: Of these requests.
        tokens: Of questions and answers.
        cost: In the currency of the judge's prices; None where it has none.
    """

    samples: int
    edits: int
    missing: int
    unusable: int
    suspect: int
    judged: int
    to_judge: int
    cached: int
    requests: int
    megabytes: float
    tokens: int
    cost: float | None


@dataclass(frozen=True)
class JudgedResults:
    """What became of a run of a judge.

    Attributes:
        head: The file's first line; None where no verdict was written.
        counts: Verdicts by status.
        reasons: How many have no scores, by status and why; commonest first.
        unasked: Verdicts that are not there, since nobody was asked.
        findings: What is wrong with the results, and what was not judged.
    """

    head: VerdictsHead | None
    counts: dict[str, int]
    reasons: dict[str, int]
    unasked: int
    findings: tuple[Finding, ...]


@dataclass
class Judging:
    """One judge's verdicts on one model's edits of a bench.

    Args:
        bench: The bench's folder.
        results: The model's edits: a folder, or OpenVE-Bench's csv.
        judge: Who judges.
        out: The file of verdicts.
        model: Whose edits they are; the name of the results if None.
        repeats: How often each edit is judged; as the judge does if None.
        accept: Whether edits are judged that are suspect: the source's pictures, another sample's edit.
    """

    bench: Path
    results: Path
    judge: Judge
    out: Path
    model: str | None = None
    repeats: int = 1
    accept: bool = False

    def look(self, *, workers: int | None = None, progress: Progress = silent) -> None:
        """Read bench, results and the verdicts that there are.

        Raises:
            ReleaseError: one of them cannot be read, or the verdicts are of something else.
        """
        self._looked_at = self._stamps()
        self.who = self.judge.who
        self.identity, self.items = read_bench(self.bench)
        size = sum(self._source(item).stat().st_size for item in self.items.values())
        self.found: Results = read_results(
            self.bench, self.results, self.items, workers=workers or useful_workers(size), progress=progress
        )
        mark = self.found.baseline
        if mark is not None and mark.revision != self.identity.revision:
            raise ReleaseError(
                "results of another bench, or of another revision of it",
                got=mark.revision,
                wanted=self.identity.revision,
                where=self.results,
            )
        self.name = self.model or (mark.baseline if mark else _name_of(self.results.resolve()))
        self._edits: dict[str, JudgedEdit] = {}
        self.kept = self._kept()

    def _head(self) -> VerdictsHead:
        return VerdictsHead(
            format=FORMAT,
            version=VERSION,
            model=self.name,
            bench=self.identity,
            rubric=self.judge.rubric,
            judge=self.who,
        )

    def _kept(self) -> dict[tuple[str, int], Verdict]:
        """The verdicts of earlier runs that still hold."""
        if not self.out.exists():
            return {}
        file = read_unfinished(self.out)
        if file is None:
            return {}
        require_same(file, self._head())
        wanted = {(sample_id, repeat) for sample_id in self.items for repeat in range(1, self.repeats + 1)}
        kept = {}
        for verdict in file.verdicts:
            place = verdict.id, verdict.repeat
            if verdict.repeat > self.repeats:
                got, fix = f"repeat {verdict.repeat} of {verdict.id}", f"--repeats {verdict.repeat}"
                raise ReleaseError("the file has more repeats", got=got, where=self.out, fix=fix)
            if place in wanted and self._holds(verdict):
                kept[place] = verdict
        return kept

    def _holds(self, verdict: Verdict) -> bool:
        edit = self.found.edits[verdict.id]
        if edit.status != "ok" or verdict.status in ("missing", "unusable"):
            return verdict.status == edit.status and verdict.reason == edit.reason
        asked = verdict.status == "ok" or verdict.attempts != 0
        return asked and verdict.edited == edit.sha256

    def _source(self, item: BenchItem) -> Path:
        return self.bench / layout.bench_source(item.theme, item.id)

    def _judged(self, edit: BenchEdit) -> JudgedEdit:
        """What the judge gets of an edit."""
        item = edit.item
        if item.id not in self._edits:
            source = self._source(item)
            masks = self.bench / layout.bench_mask(item.theme, item.id)
            self._edits[item.id] = JudgedEdit(
                self.identity.revision,
                item.id,
                item.prompt,
                source,
                edit.path,
                sha256_file(source),
                str(edit.sha256),
                masks if masks.is_file() else None,
            )
        return self._edits[item.id]

    def _to_judge(self) -> list[Task]:
        edits = [edit for edit in self.found.edits.values() if edit.status == "ok" and self._wanted(edit)]
        return [
            (self._judged(edit), repeat)
            for repeat in range(1, self.repeats + 1)
            for edit in edits
            if (edit.item.id, repeat) not in self.kept
        ]

    def _wanted(self, edit: BenchEdit) -> bool:
        return self.accept or edit.suspect is None

    def plan(self) -> JudgePlan:
        """Return what is to be judged, and about what that takes; the judge has opened what it keeps."""
        edits = self.found.edits.values()
        status = Counter(edit.status for edit in edits)
        tasks = self._to_judge()
        asked = [task for task in tasks if not self.judge.knows(*task)]
        question, answer, size = (
            map(sum, zip(*(self.judge.tokens(edit) for edit, _ in asked), strict=True))
            if asked
            else (0, 0, 0)
        )
        budget = self.judge.budget
        priced = bool(budget.price_in or budget.price_out)
        cost = (question * budget.price_in + answer * budget.price_out) / _MILLION
        return JudgePlan(
            samples=len(self.items),
            edits=status["ok"],
            missing=status["missing"],
            unusable=status["unusable"],
            suspect=sum(edit.status == "ok" and edit.suspect is not None for edit in edits),
            judged=len(self.kept),
            to_judge=len(tasks),
            cached=len(tasks) - len(asked),
            requests=len(asked) if question else 0,
            megabytes=round(size / _MILLION, 1),
            tokens=question + answer,
            cost=round(cost, 4) if priced else None,
        )

    def watch(self, every: float, *, progress: Progress = silent) -> None:
        """Judge edits as they arrive, until there is one of every sample that can be judged.

        Args:
            every: Seconds from one look at the results to the next; they are read where something changed.
            progress: Told of edits looked at, and of edits judged.
        """
        while any(edit.status != "ok" for edit in self.found.edits.values()):
            self.run(progress=progress, final=False)
            while self._stamps() == self._looked_at:
                time.sleep(every)
            self.look(progress=progress)

    def _stamps(self) -> list[object]:
        """What tells that a video, or the table of results, was changed."""
        folder = self.results if self.results.is_dir() else self.results.parent
        return [[str(path), stamp(path)] for path in (self.results, *sorted(folder.rglob("*.mp4")))]

    def run(self, *, progress: Progress = silent, final: bool = True) -> JudgedResults:
        """Judge what is not judged yet.

        Args:
            progress: Told of edits judged.
            final: Whether samples without an edit that can be judged get a verdict that says so.

        Raises:
            SparkleError: the judge cannot go on; what it said by then is in the file.
        """
        tasks = self._to_judge()
        unasked = 0
        written = dict(self.kept)
        head = self._head()
        if self.out.exists():
            write_verdicts(self.out, head, written.values())
        with progress("judging", len(tasks)) as advance:
            for (edit, repeat), opinion in judge_all(self.judge, tasks):
                advance()
                if opinion is None:
                    unasked += 1
                    continue
                verdict = self._verdict(self.items[edit.id], repeat, opinion, edit)
                self._append(head, verdict)
                written[verdict.id, repeat] = verdict
        for verdict in self._without_edits() if final else ():
            written.setdefault((verdict.id, verdict.repeat), verdict)
        if read_bench(self.bench)[0].revision != self.identity.revision:
            raise ReleaseError(
                "the bench was changed while it was judged",
                where=self.bench,
                fix=f"judge what is there now into another file; {self.out} is of what was there before",
            )
        if written:
            write_verdicts(self.out, head, written.values())
        counts = Counter[str](verdict.status for verdict in written.values())
        reasons = Counter(
            f"{verdict.status}: {verdict.reason}" for verdict in written.values() if verdict.status != "ok"
        )
        findings = [
            finding
            for edit in self.found.edits.values()
            for finding in edit.findings()
            if edit.status != "ok" or (edit.suspect is not None and not self.accept)
        ]
        return JudgedResults(
            head if written else None,
            dict(counts),
            dict(reasons.most_common()),
            unasked,
            (*findings, *self.found.strays),
        )

    def _append(self, head: VerdictsHead, verdict: Verdict) -> None:
        """Append a verdict; the first one comes with the head."""
        if self.out.exists():
            append_lines(self.out, [verdict])
        else:
            write_verdicts(self.out, head, [verdict])

    def _without_edits(self) -> Iterable[Verdict]:
        """The verdicts on samples without an edit that can be judged."""
        for edit in self.found.edits.values():
            if edit.status != "ok":
                for repeat in range(1, self.repeats + 1):
                    yield Verdict(
                        **_place(edit.item),
                        repeat=repeat,
                        status=edit.status,
                        reason=edit.reason,
                        edited=edit.sha256,
                    )

    def _verdict(self, item: BenchItem, repeat: int, opinion: Opinion, edit: JudgedEdit) -> Verdict:
        return Verdict(
            **_place(item),
            **asdict(opinion),
            repeat=repeat,
            status="failed" if opinion.raw is None else "ok",
            scores=None if opinion.raw is None else self.judge.rubric.cap(opinion.raw),
            source=edit.source_sha256,
            edited=edit.edited_sha256,
        )


def _name_of(results: Path) -> str:
    return results.name if results.is_dir() else results.stem


def _place(item: BenchItem) -> dict[str, Any]:
    """The fields of a verdict that the bench says."""
    return {name: getattr(item, name) for name in ("id", "theme", "subtheme", "scene", "prompt")}


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Keep other judges off a file of verdicts until the block ends.

    Raises:
        RunError: one is at it already.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    lock = out.with_name(f".{out.name}.lock")
    busy = RunError(
        "somebody judges into this file", where=out, fix="wait for that run, or give another --out"
    )
    with exclusive(lock, busy):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
