"""The funnel: how many samples came to each step, and why the others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sparkle.schemas import records as r
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES


class Fate(NamedTuple):
    """What became of a sample in a step: its status, and why.

    Why is the rule's reason without its numbers, or the error's problem; nothing where it was kept.
    """

    status: str
    why: str


def fate_of(outcome: r.AnyOutcome) -> Fate:
    """Return the fate of an outcome."""
    if outcome.error is not None:
        return Fate(outcome.status, outcome.error["problem"])
    return Fate(outcome.status, (outcome.reason or "").partition(":")[0])


def make_funnel(
    candidates: int, reached: Sequence[str], verdict: Callable[[str, str], Fate]
) -> dict[str, Any]:
    """Counts a step, by reason; outcomes behind a rejection do not count.

    Args:
        candidates: How many there are.
        reached: The ids of which the first step has an outcome.
        verdict: Says what became of a sample: of its step and id.
    """
    steps: list[dict[str, Any]] = []
    for step in STEP_NAMES:
        counts: Counter[Fate] = Counter()
        kept = []
        for sample_id in reached:
            found = verdict(step, sample_id)
            counts[found] += 1
            if found.status == r.KEPT:
                kept.append(sample_id)
        why: dict[str, dict[str, int]] = {
            status: {said.why: count for said, count in sorted(counts.items()) if said.status == status}
            for status in (r.REJECTED, r.FAILED)
        }
        steps.append({"step": step, "in": len(reached), "kept": len(kept), **why})
        reached = kept
    return {"candidates": candidates, "kept": len(reached), "steps": steps}


def merge_funnels(funnels: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One row a step with its stage, summed over runs."""
    merged = []
    for rows in zip(*funnels, strict=True):
        fallen: dict[str, Counter[str]] = {"rejected": Counter(), "failed": Counter()}
        for row in rows:
            for name, counter in fallen.items():
                counter.update(row[name])
        merged.append(
            {
                "step": rows[0]["step"],
                "stage": STEP_BY_NAME[rows[0]["step"]].stage,
                "in": sum(row["in"] for row in rows),
                "kept": sum(row["kept"] for row in rows),
                **{name: dict(sorted(counter.items())) for name, counter in fallen.items()},
            }
        )
    return merged
