"""Verdicts to report on: a bench of scenes, models of known quality, judges that are given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from sparkle.builders.bench.verdicts import FORMAT, VERSION, write_verdicts
from sparkle.schemas.rubric import SPARKLE_6, Rubric
from sparkle.schemas.verdicts import BenchIdentity, JudgeIdentity, Status, Verdict, VerdictsHead

THEMES = ("location", "style")
SCENES, PER_SCENE = 6, 3
EXPECTED = dict.fromkeys(THEMES, SCENES * PER_SCENE)
PLACES = [
    (f"Sparkle_{theme}_{scene * PER_SCENE + index:06d}", theme, f"scene {scene}")
    for theme in THEMES
    for scene in range(SCENES)
    for index in range(PER_SCENE)
]

Score = Callable[[int], tuple[int | float | None, ...]]


def head(model: str = "kiwi", judge: str = "someone", **changes: Any) -> VerdictsHead:
    """The first line of a file."""
    fields: dict[str, Any] = {
        "bench": BenchIdentity("drawn", "a" * 64, EXPECTED),
        "rubric": SPARKLE_6,
        "judge": JudgeIdentity(judge, "scripted", {"seed": 42}),
    }
    return VerdictsHead(format=FORMAT, version=VERSION, model=model, **(fields | changes))


def verdicts(score: Score, rubric: Rubric = SPARKLE_6, repeat: int = 1) -> list[Verdict]:
    """A verdict on every sample; `score` gives the raw scores of the n-th."""
    return [
        Verdict(
            id=sample_id,
            theme=theme,
            subtheme="drawn",
            scene=scene,
            repeat=repeat,
            status="ok",
            raw=score(number),
            scores=rubric.cap(score(number)),
            prompt="Place the subject on a windy pier.",
            answer="Brief reasoning: <b>fine</b>",
        )
        for number, (sample_id, theme, scene) in enumerate(PLACES)
    ]


def without_scores(verdict: Verdict, reason: str, status: Status = "failed") -> Verdict:
    """The same verdict, but that there is none."""
    return replace(verdict, status=status, reason=reason, raw=None, scores=None)


def level(shift: int) -> Score:
    """Scores that differ from sample to sample around a level."""
    return lambda number: tuple(
        min(5, max(1, shift + (number * 7 + at) % 5 % 3)) for at in range(len(SPARKLE_6.dimensions))
    )


def write(
    path: Path,
    found: list[Verdict] | None = None,
    /,
    model: str = "kiwi",
    judge: str = "someone",
    **changes: Any,
) -> Path:
    """A file of verdicts."""
    write_verdicts(path, head(model, judge, **changes), verdicts(level(2)) if found is None else found)
    return path
