"""`sparkle bench audit`: what a judge can see."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import FOLDER, out_option, output_options, workers_option

if TYPE_CHECKING:
    from sparkle.builders.bench.audited import JudgeAudit
    from sparkle.builders.bench.controls import Controls


@click.command(cls=Verb)
@click.argument("bench", required=False, type=FOLDER)
@click.option("--edits", type=FOLDER, help="Results of a good model on the bench, or of a baseline.")
@out_option("The folder of controls, of verdicts on them, and of audit.json.")
@click.option(
    "--samples", type=click.IntRange(3), default=12, show_default=True, help="How many samples of the bench."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides what is drawn.")
@workers_option
@output_options
def audit(
    bench: Path | None,
    edits: Path | None,
    out: Path,
    samples: int,
    seed: int,
    workers: int | None,
    terminal: Terminal,
) -> None:
    """Find what judges can see, by good edits that are harmed on purpose and by degrees.

    Each control is a folder of results in OUT/controls, to be judged as a model is: those in OUT/controls on
    the bench OUT/bench, swapped and twice on OUT/bench_of_edits. Files of verdicts go below OUT/verdicts.
    Without BENCH, the verdicts that there are on controls that there are are looked at. A judge that is not
    fit for a dimension is a finding, and the exit code is 1.

    Example: sparkle bench audit bench --edits results/classical --out audit

    Example: sparkle bench audit --out audit
    """
    from sparkle._files import write_atomic
    from sparkle._processes import cpus
    from sparkle.builders.bench.audit import make_audit, verdict_files
    from sparkle.builders.bench.audited import AUDIT
    from sparkle.builders.bench.controls import read_controls
    from sparkle.builders.bench.making_controls import make_controls
    from sparkle.schemas.canonical import dump_document, plain

    if (bench is None) != (edits is None):
        raise click.UsageError("BENCH and --edits go together")
    if bench is not None and edits is not None:
        controls = make_controls(
            bench,
            edits,
            out,
            samples=samples,
            seed=seed,
            workers=workers or cpus(),
            progress=terminal.progress,
        )
    else:
        controls = read_controls(out)
    found = make_audit(out, verdict_files(out))
    write_atomic(out / AUDIT, dump_document(found))
    lines = [*_told_controls(controls, out)]
    for judge in found.judges:
        lines += ["", *told_audit(judge)]
    terminal.result("\n".join(lines), plain(found))
    if any(judge.unfit for judge in found.judges):
        raise SystemExit(FINDINGS)


def _told_controls(controls: Controls, out: Path) -> list[str]:
    lines = [f"{out}: {len(controls.controls)} controls of {len(controls.samples)} samples"]
    lines += [f"  left out: {count} samples, {reason}" for reason, count in controls.left_out.items()]
    void = {control.name: len(control.void) for control in controls.controls if control.void}
    if void:
        named = ", ".join(f"{name} {count}" for name, count in void.items())
        lines.append(f"  not to be seen in some samples, which do not count: {named}")
    return lines


def told_audit(judge: JudgeAudit) -> list[str]:
    """What an audit says of a judge, in words."""
    lines = [f"{judge.judge.name}, {judge.rubric.name}: {judge.asked} verdicts on controls"]
    for dimension in judge.rubric.dimensions:
        fitness = judge.dimensions[dimension.key]
        verdict = "fit" if fitness.fit else f"not fit for {dimension.short}: {'; '.join(fitness.reasons)}"
        figures = ""
        if (response := fitness.response) is not None and response.spearman is not None:
            low, high = response.interval or (None, None)
            span = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
            figures = f"Spearman {response.spearman:.2f}{span}, "
            figures += f"AUC {response.auc or 0:.2f}, leak {_shown(response.leak)}: "
        lines.append(f"  {dimension.short:5s} {figures}{verdict}")
    for name, check in judge.checks.items():
        if check.of:
            lines.append(f"  {name}: as it should be in {check.passed} of {check.of} samples")
    if judge.repeats is not None:
        lines.append(f"  asked again: {100 * judge.repeats.moved:.0f} % of {judge.repeats.clips} clips moved")
    lines += [f"  {count} {reason}" for reason, count in judge.reasons.items()]
    if judge.not_judged:
        lines.append(f"  without verdicts: {', '.join(judge.not_judged)}")
    return lines


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
