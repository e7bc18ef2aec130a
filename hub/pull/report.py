"""What `sparkle-hub pull` says: the plan before, and what was brought."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparkle.hub.pull.plan import Plan
from sparkle.hub.pull.pulling import Choice, Pulled
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.layout import KIND_BY_NAME, Kind
from sparkle.schemas.terminal import Terminal

if TYPE_CHECKING:
    from sparkle.builders.export.export import ExportSummary


def parse_streams(text: str) -> tuple[Kind, ...]:
    """Kinds by their names, joined by commas; raises ConfigError for one that there is not."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in KIND_BY_NAME:
            raise ConfigError(
                "there is no such stream", got=name, wanted=f"some of {', '.join(KIND_BY_NAME)}"
            )
    return tuple(KIND_BY_NAME[name] for name in names)


def print_plan(plan: Plan, choice: Choice, terminal: Terminal) -> None:
    """Say what is chosen and what is missing."""
    rows = [
        [
            stream.kind,
            f"{stream.files:,}",
            f"{stream.bytes:,}",
            f"{stream.there:,}",
            f"{stream.missing_bytes:,}",
        ]
        for stream in plan.streams
    ]
    terminal.table("chosen", ["stream", "files", "bytes", "there already", "bytes to bring"], rows)
    if choice.limit is not None and len(plan.pairs) < choice.limit:
        terminal.say(f"{len(plan.pairs):,} pairs pass; {choice.limit:,} were asked for")


def planned(plan: Plan, out: Path) -> str:
    """What a pull would do."""
    return (
        f"{len(plan.pairs):,} pairs; {plan.missing_bytes:,} bytes to bring by {plan.requests:,} requests, "
        f"{plan.bytes:,} bytes in {out} then"
    )


def plan_json(plan: Plan, out: Path) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "out": str(out),
        "from": plan.pairs.where,
        "pairs": len(plan.pairs),
        "streams": [asdict(stream) for stream in plan.streams],
        "bytes": plan.bytes,
        "missing_bytes": plan.missing_bytes,
        "requests": plan.requests,
    }


def said(pulled: Pulled, exported: ExportSummary | None) -> str:
    """What was brought, and what to do with it."""
    text = (
        f"{pulled.out}: {pulled.pairs:,} pairs; {pulled.files:,} files, {pulled.bytes:,} bytes brought, "
        f"{pulled.requests:,} requests"
    )
    if exported is None:
        return f"{text}\nnext: sparkle export {pulled.out} --to kiwi --out {pulled.out}-kiwi"
    return f"{text}\nexported: {exported.out}, {sum(exported.pairs.values()):,} pairs"


def to_json(plan: Plan, pulled: Pulled, exported: ExportSummary | None) -> dict[str, Any]:
    """The same for machines."""
    return {
        **plan_json(plan, pulled.out),
        "files": pulled.files,
        "bytes_brought": pulled.bytes,
        "requests": pulled.requests,
        "bytes_received": pulled.received,
        "csv": list(pulled.csv),
        "exported": None if exported is None else str(exported.out),
        "left_out": [] if exported is None else [left.id for left in exported.left_out],
    }
