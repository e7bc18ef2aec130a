"""Files of verdicts are read and written; what cannot count in one is a finding, and is never averaged."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec

from sparkle._files import atomic_path, read_document, recover_jsonl
from sparkle.schemas.canonical import dump_line, plain, sha256_bytes
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.load import SHOWN, cut
from sparkle.schemas.rubric import Rubric
from sparkle.schemas.validate import Finding, check_line
from sparkle.schemas.verdicts import Verdict, VerdictsHead

FORMAT: Literal["sparkle-verdicts"] = "sparkle-verdicts"
VERSION: Literal[1] = 1
_MOST_BYTES = 1 << 30  # ten thousand verdicts with their words are about 20 MB


@dataclass(frozen=True)
class VerdictFile:
    """A file of verdicts that was read.

    Attributes:
        name: Its path, as it was given.
        sha256: Of its bytes.
        head: Its first line.
        verdicts: What counts in it, by id and repeat.
        findings: What does not, with the line.
        data: Its bytes.
    """

    name: str
    sha256: str
    head: VerdictsHead
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    data: bytes = field(repr=False)


def write_verdicts(path: Path, head: VerdictsHead, verdicts: Iterable[Verdict]) -> None:
    """Write a whole file, or leave what was there; its bytes do not depend on the order of the verdicts."""
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(dump_line(head))
        file.writelines(dump_line(verdict) for verdict in sorted(verdicts, key=_place))


def read_verdicts(path: Path) -> VerdictFile:
    """Read a file of verdicts.

    Raises:
        ReleaseError: it cannot be read, or its first line does not say what it is.
    """
    name = str(path)
    try:
        if path.stat().st_size > _MOST_BYTES:
            wanted = f"at most {_MOST_BYTES:,} bytes"
            raise ReleaseError("the file is too large for verdicts", wanted=wanted, where=path)
        data = path.read_bytes() if path.is_file() else read_document(path)
    except OSError as error:
        raise ReleaseError("the verdicts cannot be read", got=error.strerror, where=path) from None
    first, _, rest = data.partition(b"\n")
    value, findings = check_line(first, "verdicts_head", file=name, number=1)
    for found in findings:
        raise ReleaseError(
            f"not a file of verdicts: {found.problem}",
            got=found.got,
            wanted=found.wanted or f'a first line with "format": "{FORMAT}"',
            where=f"{name}:1 {found.pointer}".rstrip(),
            fix="other judges' files become one by `sparkle bench import`",
        )
    try:
        head = msgspec.convert(value, VerdictsHead)
    except msgspec.ValidationError as error:
        raise ReleaseError("not a file of verdicts", got=error, where=f"{name}:1") from None
    kept, findings = _read_lines(rest, head, name)
    return VerdictFile(name, sha256_bytes(data), head, tuple(sorted(kept, key=_place)), tuple(findings), data)


def _place(verdict: Verdict) -> tuple[str, int]:
    return verdict.id, verdict.repeat


def _read_lines(data: bytes, head: VerdictsHead, name: str) -> tuple[list[Verdict], list[Finding]]:
    """The verdicts behind the first line, and what is wrong with the others."""
    findings: list[Finding] = []
    found: dict[tuple[str, int], list[tuple[int, Verdict]]] = {}
    places: dict[str, tuple[str, str, str]] = {}
    lines = data.split(b"\n")
    torn = lines.pop()
    for number, line in enumerate(lines, 2):
        value, wrong = check_line(line, "verdict", file=name, number=number)
        if not wrong:
            try:
                verdict = msgspec.convert(value, Verdict)
                wrong = list(_misfits(verdict, head, places, name, number))
            except msgspec.ValidationError as error:  # such as 1e300 for a whole number
                wrong = [Finding(name, number, "", str(error))]
        findings += wrong
        if not wrong:
            found.setdefault(_place(verdict), []).append((number, verdict))
    if torn:
        shown = cut(torn.decode("utf-8", "replace"), SHOWN)
        findings.append(Finding(name, len(lines) + 2, "", "a torn line", got=shown, wanted="a line break"))
    kept = []
    for (sample_id, repeat), several in found.items():
        alike = all(verdict == several[0][1] for _, verdict in several)
        if alike:
            kept.append(several[0][1])
        for number, _ in several[1:]:
            problem = "a verdict stands twice" if alike else "two verdicts on one edit: neither counts"
            findings.append(Finding(name, number, "/id", problem, got=f"{sample_id}, repeat {repeat}"))
    for theme, expected in head.bench.expected.items():
        count = len({verdict.id for verdict in kept if verdict.theme == theme})
        if count > expected:
            problem = f"more samples of {theme} than the bench has"
            findings.append(Finding(name, 0, "", problem, got=str(count), wanted=str(expected)))
    return kept, sorted(findings, key=lambda finding: finding.line)


def _misfits(
    verdict: Verdict, head: VerdictsHead, places: dict[str, tuple[str, str, str]], name: str, number: int
) -> Iterator[Finding]:
    """In what a verdict does not fit the file that it is in."""
    if verdict.theme not in head.bench.expected:
        wanted = ", ".join(head.bench.expected)
        yield Finding(name, number, "/theme", "a theme that the bench does not have", verdict.theme, wanted)
    place = (verdict.theme, verdict.subtheme, verdict.scene)
    if places.setdefault(verdict.id, place) != place:
        yield Finding(name, number, "/scene", "another place than on an earlier line", "/".join(place))
    if verdict.raw is None or verdict.scores is None:
        return
    rubric, several = head.rubric, len(head.rubric.dimensions)
    if len(verdict.scores) != several:
        got = str(len(verdict.scores))
        yield Finding(name, number, "/scores", "another number of scores than dimensions", got, str(several))
        return
    for index, score in enumerate(verdict.raw):
        if problem := misfit(score, rubric):
            wanted = f"{rubric.lowest:g} to {rubric.highest:g}"
            yield Finding(name, number, f"/raw/{index}", problem, got=str(score), wanted=wanted)
    if rubric.cap(verdict.raw) != verdict.scores:
        got, wanted = str([*verdict.scores]), str([*rubric.cap(verdict.raw)])
        yield Finding(name, number, "/scores", "not what the raw scores count", got, wanted)


def misfit(score: float | None, rubric: Rubric) -> str | None:
    """What is wrong with a score under a rubric; None where nothing is."""
    if score is None:
        return None
    if not math.isfinite(score) or not rubric.lowest <= score <= rubric.highest:
        return "a score outside of the scale"
    return "not a whole score" if rubric.whole and score != int(score) else None


# --- files that are not finished -------------------------------------------------------------------


def read_unfinished(path: Path) -> VerdictFile | None:
    """Read a file that a run has left; None where it has nothing in it. A torn line at its end is cut off.

    Raises:
        ReleaseError: something else in it does not count: nobody wrote it so.
    """
    recover_jsonl(path)
    if not path.stat().st_size:
        return None
    file = read_verdicts(path)
    for finding in file.findings:
        raise ReleaseError(
            f"the file of verdicts was changed: {finding.problem}",
            got=finding.got,
            wanted=finding.wanted,
            where=f"{path}:{finding.line} {finding.pointer}".rstrip(),
            fix=f"put the line right or delete it ({len(file.findings)} findings), or give another --out",
        )
    return file


def require_same(file: VerdictFile, head: VerdictsHead) -> None:
    """Raise ReleaseError where verdicts are of another bench, rubric, judge or model."""
    pairs: list[tuple[str, Any, Any]] = [
        ("on another model's edits", file.head.model, head.model),
        ("on another bench, or another revision of it", file.head.bench, head.bench),
        ("by another rubric", file.head.rubric, head.rubric),
        ("by another judge", file.head.judge, head.judge),
    ]
    for problem, there, ours in pairs:
        if there != ours:
            got, wanted = _unlike(plain(there), plain(ours))
            raise ReleaseError(
                f"the file has verdicts {problem}",
                got=got,
                wanted=wanted,
                where=file.name,
                fix="give another --out: one file has one judge's verdicts on one model",
            )


def _unlike(there: Any, ours: Any) -> tuple[Any, Any]:
    """Return what differs of two values, without what is the same in both."""
    if not (isinstance(there, dict) and isinstance(ours, dict)):
        return there, ours
    for name in sorted({*there} | {*ours}):
        if there.get(name) != ours.get(name):
            got, wanted = _unlike(there.get(name), ours.get(name))
            return f"{name} {got}", f"{name} {wanted}"
    return there, ours
