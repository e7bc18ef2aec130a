"""`sparkle bench`: verdicts of judges on what models made of a bench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle.commands import VerbGroup
from sparkle.commands.bench_audit import told_audit
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import FOLDER, output_options, report_option

if TYPE_CHECKING:
    from sparkle.schemas.validate import Finding

# Names of `sparkle.builders.bench.foreign.FORMS`, which is not imported for `--help`.
FORMS = ("upstream", "kiwi", "openve")
_SHOWN = 20
_VERDICTS = click.Path(path_type=Path, exists=True, dir_okay=False)


class ModelResults(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A model's folder of edits, such as kiwi=results/kiwi."""

    name = "results"

    def convert(
        self, value: str | tuple[str, Path], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """Return model and folder; a usage error for anything else."""
        if not isinstance(value, str):
            return value
        model, _, folder = value.partition("=")
        if not model or not Path(folder).is_dir() or not folder:
            self.fail(f"got {value!r}, wanted MODEL=FOLDER, and a folder that there is", param, ctx)
        return model, Path(folder)


@click.command(
    name="bench",
    cls=VerbGroup,
    sections={
        "Make a bench": ("build", "check"),
        "Run models on it": ("jobs", "baselines"),
        "Judge models": ("judge", "review", "audit", "calibrate"),
        "Report": ("report", "import", "export"),
    },
    homes={
        "build": "bench_build:build",
        "check": "bench_check:check",
        "jobs": "bench_jobs:jobs",
        "baselines": "bench_baselines:baselines",
        "judge": "bench_judge:judge",
        "review": "bench_review:review",
        "audit": "bench_audit:audit",
        "calibrate": "bench_calibrate:calibrate",
        "report": "bench:report",
        "import": "bench:import_",
        "export": "bench:export",
    },
)
def bench() -> None:
    """Make a bench, run models on it, judge them, and report: tables, intervals, comparisons.

    Example: sparkle bench report verdicts/*.jsonl --out report
    """


@click.command(cls=Verb)
@click.argument("verdicts", nargs=-1, required=True, type=_VERDICTS)
@click.option("--out", type=click.Path(path_type=Path), help="Write page, JSON, csv, LaTeX into this folder.")
@click.option(
    "--missing",
    type=click.Choice(["partial", "lowest"]),
    default="partial",
    show_default=True,
    help="What edits count that are missing or unusable: nothing, which leaves the row partial, or the "
    "lowest score of every dimension.",
)
@click.option("--bench", "folder", type=FOLDER, help="Show the source videos of this bench on the page.")
@click.option(
    "--results",
    type=ModelResults(),
    multiple=True,
    metavar="MODEL=FOLDER",
    help="Show a model's edits on the page. Repeatable.",
)
@click.option(
    "--audit",
    "audits",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Show what an audit found of a judge beside its tables. Repeatable.",
)
@click.option(
    "--calibration",
    "calibrations",
    multiple=True,
    type=_VERDICTS,
    help="Show a judge's scores on the scale of another one's too: a file of `bench calibrate`. Repeatable.",
)
@report_option
@output_options
def report(
    verdicts: tuple[Path, ...],
    out: Path | None,
    missing: str,
    folder: Path | None,
    results: tuple[tuple[str, Path], ...],
    audits: tuple[Path, ...],
    calibrations: tuple[Path, ...],
    report: Path | None,
    terminal: Terminal,
) -> None:
    """Report on files of verdicts: tables per theme, intervals, which models differ, which judges agree.

    One file has one judge's verdicts on one model's edits. Files of the same bench, rubric and judge are rows
    of one table. A row without all verdicts of the bench is partial and has no macro but bounds. Lines that
    cannot count are findings, and the exit code is 1.

    Example: sparkle bench report verdicts/*.jsonl --out report

    Example: sparkle bench report verdicts/*.jsonl --out report --bench bench --results kiwi=results/kiwi
    """
    from sparkle.builders.bench.audited import judge_key
    from sparkle.builders.bench.pages import write_report
    from sparkle.builders.bench.report import make_report

    if out is None and (folder is not None or results):
        raise click.UsageError("--bench and --results need --out: videos are shown on its page")
    found = make_report(verdicts, lowest=missing == "lowest", audits=audits, calibrations=calibrations)
    if out is not None:
        write_report(found, out, bench=folder, results=dict(results))
    lines: list[str] = []
    for table, models in zip(found.document["tables"], found.tables, strict=True):
        audited = found.audits.get(judge_key(models.head))
        lines += [*_told(table), *(told_audit(audited) if audited is not None else ()), ""]
    lines += _told_judges(found.document["judges"])
    lines += [f"{out}: open {out}/index.html"] if out is not None else []
    terminal.result("\n".join(lines).rstrip("\n"), found.document)
    _end(found.findings, report, terminal)


@click.command(name="import", cls=Verb)
@click.argument("files", nargs=-1, required=True, type=_VERDICTS)
@click.option("--from", "form", required=True, type=click.Choice(FORMS), help="Whose files they are.")
@click.option("--model", required=True, help="Whose edits were judged.")
@click.option("--judge", required=True, help="The model that judged, such as gemini-2.5-pro.")
@click.option(
    "--bench",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="The bench that was judged: its folder, or OpenVE-Bench's benchmark_videos.csv.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file of verdicts."
)
@report_option
@output_options
def import_(
    files: tuple[Path, ...],
    form: str,
    model: str,
    judge: str,
    folder: Path,
    out: Path,
    report: Path | None,
    terminal: Terminal,
) -> None:
    """Make one file of verdicts of another program's: upstream's, Kiwi-Edit's, OpenVE-Bench's.

    Scores are read again from the judge's words. What cannot be taken over is a finding, and so is every
    sample of the bench without a verdict.

    Example: sparkle bench import scores/*_sparkle_score.jsonl --from upstream --model kiwi-edit --judge
    gemini-2.5-pro --bench bench --out verdicts/kiwi-edit.jsonl
    """
    from collections import Counter

    from sparkle.builders.bench.foreign import import_verdicts

    found = import_verdicts(files, out, form=form, model=model, judge=judge, bench=folder)
    counts = Counter(verdict.status for verdict in found.verdicts.values())
    expected = sum(found.head.bench.expected.values())
    terminal.result(
        f"{out}: {counts['ok']} of {expected} samples have scores",
        {"verdicts": dict(counts), "expected": expected, "findings": len(found.findings)},
    )
    _end(found.findings, report, terminal)


@click.command(cls=Verb)
@click.argument("verdicts", type=_VERDICTS)
@click.option("--to", "form", required=True, type=click.Choice(FORMS), help="Whose form.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="The folder of the files."
)
@output_options
def export(verdicts: Path, form: str, out: Path, terminal: Terminal) -> None:
    """Write verdicts as the files of another program, which reads them.

    Example: sparkle bench export verdicts/kiwi-edit.jsonl --to upstream --out scores
    """
    from sparkle.builders.bench.foreign import export_verdicts
    from sparkle.builders.bench.verdicts import read_verdicts

    file = read_verdicts(verdicts)
    written = export_verdicts(file, out, form=form)
    terminal.result("\n".join(map(str, written)), {"files": [str(path) for path in written]})
    _end(file.findings, None, terminal)


def _end(findings: Sequence[Finding], report: Path | None, terminal: Terminal) -> None:
    """Name findings, and end with 1 where there are any."""
    from sparkle._files import write_jsonl

    if report is not None:
        write_jsonl(report, [finding.to_json() for finding in findings])
    where = "--report writes all of them" if report is None else str(report)
    for line in first_lines(list(map(str, findings)), _SHOWN, where):
        terminal.say(line)
    if findings:
        raise SystemExit(FINDINGS)


def _told(table: Mapping[str, Any]) -> list[str]:
    """A table in upstream's form, and what it says of pairs of models."""
    shorts = ["Overall", *(dimension["short"] for dimension in table["rubric"]["dimensions"])]
    heads = dict(zip(table["keys"], shorts, strict=True))
    lines = [f"{table['bench']['name']}, {table['rubric']['name']}, judged by {table['judge']['name']}"]
    calibration = table.get("calibration")
    for row in table["rows"]:
        lines.append(f"=== {row['model']} ===")
        for theme, entry in row["themes"].items():
            whole = entry["n"] == entry["expected"]
            partial = "" if whole else f"  partial, {entry['n']}/{entry['expected']}"
            lines.append(f"  {theme:<10s} (n={entry['n']:4d}) {_numbers(entry.get('mean'), heads)}{partial}")
        if row["macro"] is not None:
            lines.append(f"  {'MACRO':<10s} (n={row['n']:4d}) {_numbers(row['macro'], heads)}")
            if row["interval"] and None not in row["interval"]["overall"]:
                low, high = row["interval"]["overall"]
                lines.append(f"  {'':<10s}          95 % interval of Overall: {low:.2f} to {high:.2f}")
        else:
            low, high = row["bounds"]["overall"]
            bounds = "" if low is None else f", which may be {low:.2f} to {high:.2f}"
            lines.append(f"  partial, {row['n']}/{row['expected']}: no MACRO{bounds}")
        if calibration is not None and row["macro_calibrated"] is not None:
            lines.append(f"  calibrated to {calibration['reference']['name']}:")
            lines.append(f"  {'MACRO':<10s} {'':<8s} {_numbers(row['macro_calibrated'], heads)}")
        lines += [f"  {count} {reason}" for reason, count in row["reasons"].items()]
    for pair in table["pairs"]:
        low, high = pair["interval"] or (None, None)
        span = "" if low is None else f" ({low:+.2f} to {high:+.2f})"
        verdict = "" if pair["told_apart"] else ": cannot be told apart"
        lines.append(
            f"{pair['a']} - {pair['b']}: {pair['difference']:+.2f}{span}, {pair['wins']} won, {pair['ties']} "
            f"alike, {pair['losses']} lost of {pair['n']}, p {pair['holm']:.4f} (Holm){verdict}"
        )
    if table["lacks_baselines"]:
        names = ", ".join(table["lacks_baselines"])
        lines.append(f"no baselines {names}: `sparkle bench baselines` makes their edits, to be judged too")
    return lines


def _numbers(means: Mapping[str, float | None] | None, heads: Mapping[str, str]) -> str:
    def shown(key: str) -> str:
        value = (means or {}).get(key)
        return "-" if value is None else f"{value:.2f}"

    return " | ".join(f"{short} {shown(key)}" for key, short in heads.items())


def _told_judges(judges: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for pair in judges:
        found, systems = pair["dimensions"]["overall"]["spearman"], pair["systems"]
        told = f"{' and '.join(pair['judges'])} on {pair['n']} edits of {len(pair['models'])} models:"
        if found is not None and found["mean"] is not None:
            low, high = found["interval"] or (None, None)
            span = "" if low is None else f" ({low:.2f} to {high:.2f})"
            told += f" Spearman {found['mean']:.2f}{span}"
        if systems["kendall"] is not None:
            told += (
                f"; order of {systems['n']} models: Kendall {systems['kendall']:.2f}, p {systems['p']:.3f}"
            )
            told += "; so few models prove nothing" if systems["n"] < 4 else ""
        lines.append(told)
    return lines
