"""`sparkle bench audit`: what a judge can see."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle.commands.bench_judge import JUDGES, asking_options, load_asked, told_plan
from sparkle.commands.console import FINDINGS, Terminal, Verb
from sparkle.commands.options import FOLDER, out_option, output_options, workers_option

if TYPE_CHECKING:
    from sparkle.builders.bench.audited import JudgeAudit
    from sparkle.builders.bench.controls import Controls
    from sparkle.commands.judging import JudgePlan
    from sparkle.generation.judges.judge import Judge


@click.command(cls=Verb)
@click.argument("bench", required=False, type=FOLDER)
@click.option("--edits", type=FOLDER, help="Results of a good model on the bench, or of a baseline.")
@out_option("The folder of controls, of verdicts on them, and of audit.json.")
@click.option(
    "--samples", type=click.IntRange(3), default=12, show_default=True, help="How many samples of the bench."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides what is drawn.")
@workers_option
@click.option(
    "--judge",
    "chosen",
    metavar="NAME|FILE",
    help=f"Judge the controls: {', '.join(JUDGES)}; or the path of a TOML file.",
)
@asking_options
@output_options
def audit(
    bench: Path | None,
    edits: Path | None,
    out: Path,
    samples: int,
    seed: int,
    workers: int | None,
    chosen: str | None,
    settings: tuple[str, ...],
    repeats: int | None,
    plan: bool,
    offline: bool,
    accept_model: str | None,
    max_requests: int | None,
    max_cost: float | None,
    terminal: Terminal,
) -> None:
    """Find what judges can see, by good edits that are harmed on purpose and by degrees.

    Each control is a folder of results in OUT/controls, to be judged as a model is: those in OUT/controls on
    the bench OUT/bench, swapped and twice on OUT/bench_of_edits. Files of verdicts go below OUT/verdicts.
    With --judge that is done here; kill it at any moment, the same command goes on. Without BENCH, controls
    are those that are there, and without --judge verdicts. A judge that is not fit for a dimension is a
    finding, and the exit code is 1.

    Example: sparkle bench audit bench --edits results/classical --judge qwen3-vl-32b --out audit

    Example: sparkle bench audit --out audit
    """
    from sparkle._files import write_atomic
    from sparkle._processes import cpus
    from sparkle.builders.bench.audit import make_audit, verdict_files
    from sparkle.builders.bench.audited import AUDIT
    from sparkle.builders.bench.controls import read_controls
    from sparkle.builders.bench.making_controls import make_controls
    from sparkle.schemas.canonical import dump_document, plain

    if chosen is None and (plan or offline):
        raise click.UsageError("--plan and --offline need --judge")
    if (bench is None) != (edits is None):
        raise click.UsageError("BENCH and --edits go together")
    who = None  # read before anything is made, since a mistake in its file is found at once
    if chosen is not None:
        who = load_asked(
            chosen, settings, accept_model=accept_model, max_requests=max_requests, max_cost=max_cost
        )
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
    if who is not None:
        planned = _judge(out, controls, who, repeats, plan=plan, offline=offline, terminal=terminal)
        if plan:
            terminal.result(told_plan(planned), asdict(planned))
            return
    found = make_audit(out, verdict_files(out))
    write_atomic(out / AUDIT, dump_document(found))
    lines = [*_told_controls(controls, out)]
    for judge in found.judges:
        lines += ["", *told_audit(judge)]
    terminal.result("\n".join(lines), plain(found))
    if any(judge.unfit for judge in found.judges):
        raise SystemExit(FINDINGS)


def _judge(
    out: Path,
    controls: Controls,
    who: Judge,
    repeats: int | None,
    *,
    plan: bool,
    offline: bool,
    terminal: Terminal,
) -> JudgePlan:
    """Judge every control, if this is not to be planned alone; gives the plan."""
    from sparkle.builders.bench.audit import VERDICTS
    from sparkle.builders.bench.controls import bench_of, results_of
    from sparkle.commands.judging import Judging, alone
    from sparkle.schemas.canonical import fingerprint, plain

    folder = out / VERDICTS / fingerprint(plain(who.who))[:12]
    names = [control.name for control in controls.controls]
    with ExitStack() as locks:
        judgings = []
        for name in names:
            to = folder / f"{name}.jsonl"
            locks.enter_context(alone(to))
            often = repeats or who.repeats
            judging = Judging(bench_of(out, name), results_of(out, name), who, to, name, often, accept=True)
            judging.look(workers=1)
            judgings.append(judging)
        who.open_kept()
        plans = [judging.plan() for judging in judgings]
        cost = None if plans[0].cost is None else round(sum(one.cost or 0 for one in plans), 4)
        counts = {
            field.name: sum(getattr(one, field.name) for one in plans)
            for field in fields(plans[0])
            if field.name != "cost"
        }
        planned = replace(plans[0], **counts, cost=cost)
        if not plan:
            terminal.say(told_plan(planned))
            who.setup(offline=offline)
            for judging in judgings:
                judging.run(progress=terminal.progress)
    return planned


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
