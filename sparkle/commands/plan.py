"""The verbs that cost nothing: `sparkle models` lists what is needed, `sparkle plan` estimates the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle._progress import count_text, size_text, time_text
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import (
    FILE,
    PATH,
    Size,
    config_options,
    output_options,
    read_config,
    schedule_option,
)
from sparkle.generation.run.schedules import AUTO, BY_STEP

if TYPE_CHECKING:
    from sparkle.generation.needs import Estimate, ModelNeed
    from sparkle.generation.run.fleet import FleetPlan
    from sparkle.generation.run.plan import CostPlan, StepPlan


@click.command(cls=Verb)
@config_options
@output_options
def models(config: str | None, settings: tuple[str, ...], terminal: Terminal) -> None:
    """List the models that a configuration needs: revision, size, licence, memory.

    Works offline: loads no model and sends no request.

    Example: sparkle models --config paper-fast
    """
    from sparkle.generation.run.plan import backend_needs, fetched_bytes

    resolved = read_config(config, settings).config
    needs = backend_needs(resolved)
    found, rows = [], []
    for capability, wanted in needs.items():
        name = str(resolved.backend_table(capability)["name"])
        found.append({"capability": capability, "backend": name, **asdict(wanted, dict_factory=_present)})
        vram = size_text(wanted.vram_bytes) if wanted.vram_bytes else "-"
        cells = [_cells(model) for model in wanted.models] or [["-"] * 4]
        rows += [[capability, name, *cell, vram] for cell in cells]
    columns = ["capability", "backend", "model", "revision", "size", "licence", "VRAM"]
    terminal.table(f"Models of {resolved.name}", columns, rows)
    every = [model for wanted in needs.values() for model in wanted.models]
    for note in _licence_notes(every):
        terminal.say(note)
    total, peak = fetched_bytes(every), max(wanted.vram_bytes for wanted in needs.values())
    terminal.result(
        f"{size_text(total)} to download; {_gpu(peak)}" if total or peak else "nothing to download; no GPU",
        {
            "configuration": resolved.name,
            "backends": found,
            "fetched_bytes": total,
            "vram_bytes": peak,
            "gated": sorted({model.model for model in every if model.gated}),
            "non_commercial": sorted({model.model for model in every if model.non_commercial}),
        },
    )


@click.command(cls=Verb)
@click.option(
    "--sources", required=True, type=click.IntRange(min=1), metavar="N", help="Number of candidates."
)
@config_options
@click.option(
    "--trial",
    type=PATH,
    help="Take funnel and bytes per sample from this finished run of a few of the sources.",
)
@click.option(
    "--timings", type=FILE, help="Take the seconds of each step from this file of `generate --timings`."
)
@click.option(
    "--gpus",
    type=click.IntRange(min=1),
    metavar="N",
    help="Also simulate the run on N GPUs: hours on the clock, and the models of each GPU.",
)
@click.option("--vram", type=Size(), help="Memory of one of the GPUs.  [default: 141GB, an H200]")
@schedule_option
@output_options
def plan(
    sources: int,
    config: str | None,
    settings: tuple[str, ...],
    trial: Path | None,
    timings: Path | None,
    gpus: int | None,
    vram: int | None,
    schedule: str,
    terminal: Terminal,
) -> None:
    """Estimate hours, memory, disk and what will be kept, before anything is paid for.

    Works offline: loads no model and sends no request.

    Example: sparkle plan --sources 940000 --config paper-fast --gpus 64
    """
    from sparkle.generation.run.fleet import GPU_BYTES, plan_fleet
    from sparkle.generation.run.plan import PUBLISHED_RATES, make_plan, trial_rates, workload
    from sparkle.generation.run.timings import read_timings

    if gpus is None and (vram is not None or schedule != AUTO):
        raise click.UsageError("--vram and --schedule are about the GPUs of --gpus, which is missing")
    rates = PUBLISHED_RATES if trial is None else trial_rates(trial)
    timed = None if timings is None else read_timings(timings)
    resolved = read_config(config, settings).config
    found = make_plan(resolved, sources, rates, timed)
    fleet = None
    if gpus is not None:
        work = workload(resolved, rates, timed)
        fleet = plan_fleet(found, work, gpus, vram or GPU_BYTES, schedule, terminal.progress)
    columns = ["step", "backend", "in", "kept", "hours", "of", "VRAM"]
    title = f"Plan for {sources:,} candidates with {found.configuration}"
    terminal.table(title, columns, [_row(step) for step in found.steps])
    terminal.say(f"funnel: {found.funnel}")
    for source in found.times:
        terminal.say(f"hours: {source}")
    if found.unknown:
        terminal.say(f"not counted, since nothing is known about it: {', '.join(found.unknown)}")
    summary, document = _summary(found), asdict(found, dict_factory=_present)
    if fleet is not None:
        roles = [[str(count), ", ".join(models)] for models, count in fleet.roles]
        terminal.table("Models that GPUs hold", ["GPUs", "models"], roles)
        for line in _notes(fleet):
            terminal.say(line)
        summary += f"\n{_on_gpus(fleet)}"
        document["fleet"] = {
            **asdict(fleet, dict_factory=_present),
            "roles": [{"models": models, "gpus": count} for models, count in fleet.roles],
        }
    terminal.result(summary, document)


def _notes(fleet: FleetPlan) -> Iterator[str]:
    """How the hours are found, and why it goes by step where it does."""
    if fleet.schedule == BY_STEP and (fleet.fewest is None or fleet.gpus < fleet.fewest):
        yield (
            f"by step, one model at a time: {count_text(fleet.gpus, 'GPU')} of {size_text(fleet.vram_bytes)} "
            f"cannot hold every model at once ({fleet.fewest or 'more'} can)"
        )
    yield (
        f"simulated: {fleet.simulated:,} candidates on {count_text(fleet.gpus, 'GPU')} of "
        f"{size_text(fleet.vram_bytes)} and {fleet.processors:,} CPU cores; what GPUs disturb each other at, "
        "and disks, is not in it"
    )


def _on_gpus(fleet: FleetPlan) -> str:
    parts = [
        f"on {count_text(fleet.gpus, 'GPU')}, {fleet.schedule}: {_hours(fleet.hours)} hours on the clock",
        f"{100 * fleet.share:.1f} % of the bound",
    ]
    if fleet.first_pair_hours is not None:
        parts.append(f"first pair after {time_text(fleet.first_pair_hours * 3600)}")
    return "; ".join(parts)


def _present(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Leave out what is not known."""
    return {name: value for name, value in pairs if value is not None}


def _cells(model: ModelNeed) -> list[str]:
    size = "served" if model.served else "unknown" if model.bytes is None else size_text(model.bytes)
    licence = f"{model.licence} (gated)" if model.gated else model.licence
    return [model.model, model.revision or "-", size, licence]


def _licence_notes(every: Iterable[ModelNeed]) -> Iterator[str]:
    """What a person must do or know, each model once."""
    for model in {model.model: model for model in every}.values():
        if model.non_commercial:
            yield f"note: {model.model} is for non-commercial use, and so is what it makes ({model.licence})"
        elif model.note:
            yield f"note: {model.model}: {model.note}"
        if model.gated:
            yield f"note: accept the licence of {model.model} on {model.page}"


def _row(step: StepPlan) -> list[str]:
    hours = "?" if step.hours is None else _hours(step.hours)
    vram = size_text(step.vram_bytes) if step.vram_bytes else "-"
    return [step.step, step.backend or "-", f"{step.reached:,}", f"{step.kept:,}", hours, step.on, vram]


def _summary(found: CostPlan) -> str:
    parts = [f"{_hours(hours)} hours of {device}" for device, hours in found.hours.items()]
    disk = f"{size_text(found.model_bytes)} of models and {size_text(found.run_bytes)} of run"
    kept = f"{found.kept:,} of {found.sources:,} kept"
    return f"{kept}; {'; '.join(parts)}; {_gpu(found.vram_bytes)}; disk: {disk}"


def _gpu(peak: int) -> str:
    return f"at most {size_text(peak)} of one GPU at a time" if peak else "no GPU"


def _hours(span: Estimate) -> str:
    low, high = (f"{hours:,.0f}" if hours >= 10 else f"{hours:,.2g}" for hours in (span.low, span.high))
    return low if low == high else f"{low} to {high}"
