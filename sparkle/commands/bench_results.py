"""What `sparkle bench check --results` says of a model's edits."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkle._progress import count_text
from sparkle.commands.console import Terminal, first_lines
from sparkle.schemas.errors import command

if TYPE_CHECKING:
    from sparkle.builders.bench.results import Results

_SHOWN = 50  # a screen or two; the report has all


def check_results(bench: Path, results: Path, report: Path | None, workers: int, terminal: Terminal) -> int:
    """Look at a model's edits of a bench, print what is found, and return how many findings there are."""
    from sparkle._files import write_jsonl
    from sparkle.builders.bench.folder import read_bench
    from sparkle.builders.bench.results import read_results

    identity, items = read_bench(bench)
    found = read_results(
        bench, results, items, revision=identity.revision, workers=workers, progress=terminal.progress
    )
    findings = found.findings()
    if report is not None:
        write_jsonl(report, [finding.to_json() for finding in findings])
    rest = f"all are in {report}" if report else "--report FILE writes all of them"
    lines = first_lines([*map(str, findings)], _SHOWN, rest)
    statuses = Counter(edit.status for edit in found.edits.values())
    suspect = sum(edit.suspect is not None for edit in found.edits.values())
    notes = Counter(note for edit in found.edits.values() for note in edit.notes)
    lines += [f"{count_text(count, 'edit')}: {note}" for note, count in sorted(notes.items())]
    said = [f"{statuses[name]} {name}" for name in ("missing", "unusable") if statuses[name]]
    said += [f"{suspect} suspect"] if suspect else []
    lines.append(
        f"{results}: {statuses['ok']} of {count_text(len(items), 'edit')} can be judged"
        + (f" ({', '.join(said)})" if said else "")
    )
    again = _again(bench, results, found)
    lines += [f"make what is missing or unusable: {again}"] if again else []
    counts: dict[str, Any] = {name: statuses[name] for name in ("ok", "missing", "unusable")}
    terminal.result(
        "\n".join(lines),
        {
            "findings": [finding.to_json() for finding in findings[:_SHOWN]],
            "count": len(findings),
            "edits": counts | {"suspect": suspect},
            "notes": notes,
            "make": again,
        },
    )
    return len(findings)


def _again(bench: Path, results: Path, found: Results) -> str | None:
    """The command that makes what is missing or unusable; None where nothing is, or nobody knows it."""
    if results.is_file() or all(edit.status == "ok" for edit in found.edits.values()):
        return None
    if found.baseline is not None:
        name = found.baseline.baseline
        return command("sparkle", "bench", "baselines", bench, "--out", results.parent, "--only", name)
    return f"{command('sparkle', 'bench', 'jobs', bench, '--results', results)} > jobs.jsonl"
