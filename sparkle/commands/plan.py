"""The verbs that cost nothing: `sparkle models` says what is needed, `sparkle plan` what it comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sparkle.commands.console import Terminal

if TYPE_CHECKING:
    from sparkle.generation.needs import ModelNeed, Span
    from sparkle.generation.run.plan import Plan, StepPlan

_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"))


@click.command()
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file; without it, the CPU backend.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def models(config: Path | None, as_json: bool) -> None:
    """List the models that a configuration needs: revision, size, licence, memory.

    Nothing is loaded or fetched, and nobody is asked.
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.generation.config import load_config
        from sparkle.generation.run.plan import backend_needs, fetched_bytes

        resolved = load_config(config)
        needs = backend_needs(resolved)
        found, rows = [], []
        for capability, wanted in needs.items():
            name = str(resolved.backend_table(capability)["name"])
            found.append({"capability": capability, "backend": name, **asdict(wanted, dict_factory=_present)})
            vram = _size(wanted.vram_bytes) if wanted.vram_bytes else "-"
            cells = [_cells(model) for model in wanted.models] or [["-"] * 4]
            rows += [[capability, name, *cell, vram] for cell in cells]
        columns = ["capability", "backend", "model", "revision", "size", "licence", "VRAM"]
        terminal.table(f"Models of {resolved.name}", columns, rows)
        every = [model for wanted in needs.values() for model in wanted.models]
        for note in _licence_notes(every):
            terminal.say(note)
        total, peak = fetched_bytes(every), max(wanted.vram_bytes for wanted in needs.values())
        terminal.result(
            f"{_size(total)} to fetch; {_gpu(peak)}." if total or peak else "Nothing to fetch; no GPU.",
            {
                "configuration": resolved.name,
                "backends": found,
                "fetched_bytes": total,
                "vram_bytes": peak,
                "gated": sorted({model.model for model in every if model.gated}),
                "non_commercial": sorted({model.model for model in every if model.non_commercial}),
            },
        )


@click.command()
@click.option("--sources", required=True, type=click.IntRange(min=1), help="Candidates that go in.")
@click.option("--config", type=click.Path(path_type=Path), help="A TOML file; without it, the CPU backend.")
@click.option(
    "--trial",
    type=click.Path(path_type=Path),
    help="A finished run of a few of the sources: its funnel and its bytes are taken.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
def plan(sources: int, config: Path | None, trial: Path | None, as_json: bool) -> None:
    """Estimate hours, memory, disk and what will be left, before anything is paid for."""
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.generation.config import load_config
        from sparkle.generation.run.plan import PUBLISHED_RATES, make_plan, trial_rates

        rates = PUBLISHED_RATES if trial is None else trial_rates(trial)
        found = make_plan(load_config(config), sources, rates)
        columns = ["step", "backend", "in", "kept", "hours", "of", "VRAM"]
        title = f"Plan for {sources:,} candidates with {found.configuration}"
        terminal.table(title, columns, [_row(step) for step in found.steps])
        terminal.say(f"Funnel: {found.funnel}.")
        for source in found.times:
            terminal.say(f"Hours: {source}.")
        if found.unknown:
            terminal.say(f"Not counted, since nothing is known of it: {', '.join(found.unknown)}.")
        terminal.result(_summary(found), asdict(found, dict_factory=_present))


def _present(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in pairs if value is not None}


def _cells(model: ModelNeed) -> list[str]:
    size = "served" if model.served else "unknown" if model.bytes is None else _size(model.bytes)
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
    vram = _size(step.vram_bytes) if step.vram_bytes else "-"
    return [step.step, step.backend or "-", f"{step.reached:,}", f"{step.kept:,}", hours, step.on, vram]


def _summary(found: Plan) -> str:
    parts = [f"{_hours(hours)} hours of {device}" for device, hours in found.hours.items()]
    disk = f"{_size(found.model_bytes)} of models and {_size(found.run_bytes)} of run"
    kept = f"{found.kept:,} of {found.sources:,} kept"
    return f"{kept}; {'; '.join(parts)}; {_gpu(found.vram_bytes)}; disk: {disk}."


def _gpu(peak: int) -> str:
    return f"at most {_size(peak)} of one GPU at a time" if peak else "no GPU"


def _hours(span: Span) -> str:
    low, high = (f"{hours:,.0f}" if hours >= 10 else f"{hours:,.2g}" for hours in (span.low, span.high))
    return low if low == high else f"{low} to {high}"


def _size(count: int) -> str:
    unit, name = next((pair for pair in _UNITS if count >= pair[0]), _UNITS[-1])
    return f"{count / unit:,.1f} {name}"
