"""What a verification is told, and what it found: one line per level, and every finding at its place.

- A level is proved, wrong (there are findings), or not proved: what it needs is not here (a model, a package)
  or was never recorded. The last is said with its reason and is no finding: nothing speaks against a release.
- Findings are sorted by level, file and line; the same release gives the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from sparkle.schemas.errors import SparkleError
from sparkle.schemas.validate import Finding

# The levels in the order in which they run: each takes the ones before for granted.
INTEGRITY, CONSISTENCY, RESHARD = "integrity", "consistency", "reshard"
REPLAY, CONSUMERS = "replay", "consumers"
LEVELS: tuple[str, ...] = (INTEGRITY, CONSISTENCY, RESHARD, REPLAY, CONSUMERS)

PROVED, WRONG, NOT_PROVED = "proved", "wrong", "not proved"
SHOWN_FINDINGS = 50  # a screen or two; the report has all


@dataclass(frozen=True)
class VerifyOptions:
    """What a verification looks at.

    Attributes:
        levels: The levels to run.
        required: Whether a level that cannot be tried is an error: it was asked for by name.
        sample: How many samples are replayed, and read by each consumer.
        seed: Which samples: the same seed chooses the same ones.
        bench: A bench that must share no source with the release; None for none.
        workers: How many processes work; None is one a processor where there is enough to read.
        origin: Where broken members are fetched from before anything is verified, a folder or
            `owner/name[@revision]`; None repairs nothing.
        say: Told, a line at a time, what is about to be read.
    """

    levels: tuple[str, ...] = LEVELS
    required: bool = False
    sample: int = 4
    seed: int = 0
    bench: Path | None = None
    workers: int | None = None
    origin: str | None = None
    say: Callable[[str], None] = lambda text: None


def order(levels: Iterable[str]) -> tuple[str, ...]:
    """Levels once each, in the order in which they run."""
    wanted = set(levels)
    return tuple(level for level in LEVELS if level in wanted)


class NotProvedError(SparkleError):
    """A level cannot say anything about this release, here."""


@dataclass
class LevelReport:
    """What a level did and found.

    Attributes:
        level: Its name.
        claim: What it proves, in a few words.
        files: Files that it looked at.
        bytes: Bytes of them that were read or, on a Hub, vouched for by its own hashes.
        samples: Samples that it looked at.
        downloaded: Bytes that it asked a Hub for; 0 for a folder.
        seconds: How long it took.
        notes: What to know of the answer besides findings.
        findings: What is wrong.
        missing: Why it could not be proved; None when it could be tried.
    """

    level: str
    claim: str = ""
    files: int = 0
    bytes: int = 0
    samples: int = 0
    downloaded: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    missing: str | None = None

    @property
    def status(self) -> str:
        """Proved, wrong or not proved."""
        if self.findings:
            return WRONG
        return PROVED if self.missing is None else NOT_PROVED

    def note(
        self,
        file: str,
        problem: str,
        *,
        line: int = 0,
        pointer: str = "",
        got: object = None,
        wanted: object = None,
    ) -> None:
        """Add a finding."""
        shown = (None if value is None else str(value) for value in (got, wanted))
        self.findings.append(Finding(file, line, pointer, problem, *shown))

    def finish(self, seconds: float) -> None:
        """Sort the findings, each once, and note the time."""
        self.findings = sorted(set(self.findings), key=lambda found: (found.file, found.line, str(found)))
        self.seconds = seconds

    def to_json(self) -> dict[str, Any]:
        """Everything but the findings themselves, which stand together in the report."""
        return {
            "level": self.level,
            "status": self.status,
            "claim": self.claim,
            "files": self.files,
            "bytes": self.bytes,
            "samples": self.samples,
            "downloaded": self.downloaded,
            "seconds": round(self.seconds, 3),
            "findings": len(self.findings),
            "notes": list(self.notes),
            **({"missing": self.missing} if self.missing is not None else {}),
        }


@dataclass(frozen=True)
class Mended:
    """A file that was mended: how many members of a tar were fetched (0: the whole file), and bytes."""

    path: str
    members: int
    fetched: int


@dataclass(frozen=True)
class VerifyReport:
    """What a verification found.

    Attributes:
        name: The release, as it was named.
        commit: The commit of a Hub that was looked at; None for a folder.
        levels: What each level found, in their order.
        repaired: What was mended before; empty when nothing was to be.
    """

    name: str
    commit: str | None
    levels: tuple[LevelReport, ...]
    repaired: tuple[Mended, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether no level found anything wrong."""
        return not any(level.findings for level in self.levels)

    def findings(self) -> Iterator[dict[str, Any]]:
        """Every finding as a JSON object, with its level."""
        for level in self.levels:
            for found in level.findings:
                yield {"level": level.level, **found.to_json()}

    def to_json(self) -> dict[str, Any]:
        """The report as one JSON object, with the first `SHOWN_FINDINGS` findings."""
        findings = list(self.findings())
        return {
            "release": self.name,
            **({"commit": self.commit} if self.commit else {}),
            "ok": self.ok,
            "levels": [level.to_json() for level in self.levels],
            "count": len(findings),
            "findings": findings[:SHOWN_FINDINGS],
            "repaired": [asdict(found) for found in self.repaired],
        }


@contextmanager
def timed(report: LevelReport) -> Iterator[LevelReport]:
    """Time a level; what makes it impossible is noted as what is missing."""
    start = perf_counter()
    try:
        yield report
    except NotProvedError as error:
        report.missing = " ".join(str(error).split())
    report.finish(perf_counter() - start)


def text(report: VerifyReport, *, report_file: object = None) -> str:
    """The report for a person: a line a level, findings below, and what to do."""
    lines = [_repair_line(report.repaired)] if report.repaired else []
    lines += [_level_line(level) for level in report.levels]
    lines += [f"  note: {level.level}: {note}" for level in report.levels for note in level.notes]
    shown = [(level.level, found) for level in report.levels for found in level.findings]
    lines += [f"{level}: {found}" for level, found in shown[:SHOWN_FINDINGS]]
    if len(shown) > SHOWN_FINDINGS:
        rest = f"all are in {report_file}" if report_file else "--report FILE writes all of them"
        lines.append(f"... and {len(shown) - SHOWN_FINDINGS} more; {rest}")
    lines += list(_advice(report))
    verdict = f"{len(shown)} finding{'s' if len(shown) > 1 else ''}" if shown else "nothing wrong"
    open_levels = [level.level for level in report.levels if level.status == NOT_PROVED]
    left = f"; not proved: {', '.join(open_levels)}" if open_levels else ""
    lines.append(f"{report.name}: {verdict}{left}")
    return "\n".join(lines)


def _repair_line(mended: tuple[Mended, ...]) -> str:
    members, fetched = sum(one.members for one in mended), sum(one.fetched for one in mended)
    numbers = f"{len(mended):,} files, {members:,} members of tars, {fetched:,} bytes fetched"
    return f"{'repair':12} {'done':10} {numbers}"


def _level_line(level: LevelReport) -> str:
    if level.status == NOT_PROVED:
        return f"{level.level:12} {NOT_PROVED:10} {level.missing}"
    counts = (
        (level.files, f"{level.files:,} files"),
        (level.bytes, f"{level.bytes:,} bytes"),
        (level.samples, f"{level.samples:,} samples"),
        (level.downloaded, f"{level.downloaded:,} bytes downloaded"),
    )
    numbers = ", ".join(shown for count, shown in counts if count)
    outcome = f"{len(level.findings)} wrong" if level.findings else "proved"
    claim = f": {level.claim}" if level.claim and not level.findings else ""
    return f"{level.level:12} {outcome:10} {numbers}, {level.seconds:.1f} s{claim}"


# Level -> what to do about its findings.
_ADVICE: dict[str, str] = {
    "integrity": (
        "integrity: these bytes are not those that were released. On purpose (a paragraph in the card)? Then "
        "`sparkle card RELEASE --update` takes it into the release, which is published again. Otherwise "
        "`sparkle verify FOLDER --repair --from REPO` fetches what is broken."
    ),
    "consistency": "consistency: the release contradicts itself; `sparkle build` on its run makes it anew.",
    "reshard": "reshard: a tar is not what this version writes of its members; build it again.",
    "replay": "replay: the recorded configuration makes something else here; see docs/verify.md.",
    "consumers": "consumers: a stock reader does not read what the release says; see docs/verify.md.",
}


def _advice(report: VerifyReport) -> Iterable[str]:
    for level in report.levels:
        if level.findings:
            yield _ADVICE[level.level]
