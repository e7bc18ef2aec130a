"""`sparkle bench judge`: a model's edits of a bench become a file of verdicts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sparkle._progress import count_text
from sparkle.commands.console import FINDINGS, Terminal, Verb, first_lines
from sparkle.commands.options import FILE, FOLDER, options, output_options, report_option

if TYPE_CHECKING:
    from sparkle.commands.judging import JudgePlan
    from sparkle.generation.judges.judge import Judge

# Names of the files in `sparkle.configs.judges`, which are not read for `--help`.
JUDGES = ("classical", "gemini", "human", "qwen3-vl-32b", "qwen3-vl-8b-local", "upstream")
_SHOWN = 20


# What it takes to ask a judge, but for who it is.
asking_options = options(
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="What differs from the judge's file, such as base_url=http://127.0.0.1:8000/v1. Repeatable.",
    ),
    click.option(
        "--repeats",
        type=click.IntRange(1, 100),
        metavar="N",
        help="Judge each edit so often, to see how much verdicts move.  [default: once, or once per rater]",
    ),
    click.option("--plan", is_flag=True, help="Say what would be asked, and ask nobody."),
    click.option("--offline", is_flag=True, help="Ask nobody: take answers that are kept, and files."),
    click.option(
        "--accept-model",
        metavar="NAME",
        help="Go on though this model answers in place of the one that was asked, under its name.",
    ),
    click.option("--max-requests", type=click.IntRange(0), metavar="N", help="Stop after so many requests."),
    click.option(
        "--max-cost",
        type=click.FloatRange(0),
        metavar="X",
        help="Stop when answers have cost so much, by price_in and price_out of the judge's file.",
    ),
)


def load_asked(
    chosen: str,
    settings: tuple[str, ...],
    *,
    accept_model: str | None,
    max_requests: int | None,
    max_cost: float | None,
) -> Judge:
    """Return a judge with its budget, by the values of `--judge` and `asking_options`."""
    from sparkle.generation.judges import load_judge

    who = load_judge(chosen, settings, accept_model=accept_model)
    who.budget.most_requests, who.budget.most_cost = max_requests, max_cost
    if max_cost is not None and not (who.budget.price_in or who.budget.price_out):
        raise click.UsageError("--max-cost needs price_in and price_out in the judge's file, or by --set")
    return who


@click.command(cls=Verb, resumes="the verdicts so far are in {out}")
@click.argument("bench", type=FOLDER)
@click.option(
    "--results",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="The model's edits: a folder in upstream's tree, or OpenVE-Bench's csv.",
)
@click.option(
    "--judge",
    "chosen",
    required=True,
    metavar="NAME|FILE",
    help=f"Who judges: {', '.join(JUDGES)}; or the path of a TOML file.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The file of verdicts."
)
@click.option(
    "--ratings",
    multiple=True,
    type=FILE,
    help="What raters saved on the page of `sparkle bench review`, for the judge human. Repeatable.",
)
@click.option("--model", help="Whose edits they are.  [default: the name of the results]")
@click.option(
    "--accept", is_flag=True, help="Judge edits that show the source, or are another sample's, too."
)
@asking_options
@click.option(
    "--watch",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Judge edits as they arrive, looking so often, until each sample has one that can be judged.",
)
@report_option
@output_options
def judge(
    bench: Path,
    results: Path,
    chosen: str,
    settings: tuple[str, ...],
    out: Path,
    ratings: tuple[Path, ...],
    model: str | None,
    repeats: int | None,
    plan: bool,
    offline: bool,
    accept: bool,
    accept_model: str | None,
    max_requests: int | None,
    max_cost: float | None,
    watch: float | None,
    report: Path | None,
    terminal: Terminal,
) -> None:
    """Judge a model's edits of a bench, and write a file of verdicts.

    Kill it at any moment; the same command goes on, and asks for no answer twice. An edit that is missing or
    cannot be judged, and an answer that cannot be read, has no scores and is counted; the exit code is 1.

    Example: sparkle bench judge bench --results results/kiwi --judge qwen3-vl-32b --out verdicts/kiwi.jsonl

    Example: sparkle bench judge bench --results results/kiwi --judge gemini --out verdicts/kiwi.jsonl --plan
    """
    from sparkle._files import write_jsonl
    from sparkle.commands.judging import Judging, alone

    if ratings:
        settings = (*settings, f"ratings={json.dumps([str(path) for path in ratings])}")
    who = load_asked(
        chosen, settings, accept_model=accept_model, max_requests=max_requests, max_cost=max_cost
    )
    often = repeats or who.repeats
    with alone(out):
        judging = Judging(bench, results, who, out, model, often, accept)
        judging.look(progress=terminal.progress)
        who.open_kept()
        planned = judging.plan()
        if plan:
            terminal.result(told_plan(planned), asdict(planned))
            return
        terminal.say(told_plan(planned))
        who.setup(offline=offline)
        if watch is not None:
            judging.watch(watch, progress=terminal.progress)
        done = judging.run(progress=terminal.progress)
    expected = planned.samples * often
    lines = [f"{out}: {done.counts.get('ok', 0)} of {count_text(expected, 'verdict')} have scores"]
    lines += [f"  {count} {reason}" for reason, count in done.reasons.items()]
    lines += [f"  {done.unasked} not asked: no answer is kept"] * bool(done.unasked)
    terminal.result(
        "\n".join(lines),
        {
            "verdicts": done.counts,
            "reasons": done.reasons,
            "expected": expected,
            "unasked": done.unasked,
            "requests": who.budget.requests,
            "cost": round(who.budget.cost, 6),
            "findings": [finding.to_json() for finding in done.findings],
        },
    )
    if report is not None:
        write_jsonl(report, [finding.to_json() for finding in done.findings])
    where = "--report writes all of them" if report is None else str(report)
    for line in first_lines(list(map(str, done.findings)), _SHOWN, where):
        terminal.say(line)
    if done.counts.get("ok", 0) < expected or done.findings:
        raise SystemExit(FINDINGS)


def told_plan(plan: JudgePlan) -> str:
    """What is to be judged, in words."""
    lines = [f"{plan.samples} samples: {plan.edits} edits, {plan.missing} missing, {plan.unusable} unusable"]
    if plan.suspect:
        lines.append(f"{plan.suspect} edits are suspect: judged with --accept alone")
    lines.append(f"{plan.to_judge} verdicts to come, {plan.judged} are there; {plan.cached} answers are kept")
    if plan.requests:
        cost = "" if plan.cost is None else f", at a cost of {plan.cost:g}"
        lines.append(
            f"about {plan.requests} requests of {plan.megabytes:g} MB and {plan.tokens:,} tokens{cost}; "
            "at most twice as many"
        )
    return "\n".join(lines)
