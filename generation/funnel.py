"""The funnel: how many samples came to each step, and why the others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sparkle.schemas import records as r
from sparkle.schemas.stages import STEP_NAMES
from sparkle.schemas.terminal import Terminal


def make_funnel(candidates: int, outcomes: Mapping[str, Mapping[str, r.Outcome]]) -> dict[str, Any]:
    """Counts a step, by reason; outcomes behind a rejection do not count."""
    steps, still_in = [], None
    for step in STEP_NAMES:
        found = outcomes[step]
        reached = sorted(found if still_in is None else still_in)
        rejected: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        kept = []
        for sample_id in reached:
            outcome = found[sample_id]
            if outcome.status == r.REJECTED:
                rejected[(outcome.reason or "").partition(":")[0]] += 1
            elif outcome.status == r.FAILED:
                failed[(outcome.error or {})["problem"]] += 1
            else:
                kept.append(sample_id)
        steps.append(
            {
                "step": step,
                "in": len(reached),
                "kept": len(kept),
                "rejected": dict(sorted(rejected.items())),
                "failed": dict(sorted(failed.items())),
            }
        )
        still_in = kept
    return {"candidates": candidates, "kept": len(still_in or ()), "steps": steps}


def print_funnel(funnel: dict[str, Any], terminal: Terminal) -> None:
    """The funnel as a table: steps that lost nothing are one line each."""
    rows = []
    for step in funnel["steps"]:
        why = [f"{count} x {reason}" for reason, count in step["rejected"].items()]
        why += [f"{count} x failed: {problem}" for problem, count in step["failed"].items()]
        rejected, failed = sum(step["rejected"].values()), sum(step["failed"].values())
        rows.append(
            [step["step"], str(step["in"]), str(rejected), str(failed), str(step["kept"]), "; ".join(why)]
        )
    title = f"Funnel: {funnel['candidates']} candidates, {funnel['kept']} kept"
    terminal.table(title, ["step", "in", "rejected", "failed", "kept", "why"], rows)
