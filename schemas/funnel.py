"""The funnel: how many samples came to each step, and why the others did not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from sparkle.schemas import records as r
from sparkle.schemas.stages import STEP_BY_NAME, STEP_NAMES


def make_funnel(candidates: int, outcomes: Mapping[str, Mapping[str, r.AnyOutcome]]) -> dict[str, Any]:
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
