"""A core set: a small subset with something of everything, best first.

How it works
- Themes take turns; in a theme its subthemes take turns, in a subtheme its scenes, and a scene gives its best
  pair that is left: highest score of the edited video, then of the edited first frame, then the lowest id.
  One that has no more to give is passed over.
- So every scene has as many pairs as every other of its subtheme, as far as there are that many, and so on
  upwards; and the core set of 500 is part of the core set of 1,000. Nothing is drawn by lot.
- Scores are compared within a scene only: scorers may differ between runs, tastes of a judge between scenes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sparkle.builders.sample import Sample
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES


def core_set(samples: Sequence[Sample], size: int) -> list[Sample]:
    """The core set of `size` samples, sorted by id.

    Raises:
        ReleaseError: there are fewer samples than that.
    """
    if len(samples) < size:
        raise ReleaseError(
            "there are fewer samples than the core set is to have",
            got=len(samples),
            wanted=size,
            fix=f"--core {len(samples)} or less, or looser thresholds",
        )
    return sorted(islice(_in_turn(samples, 0), size), key=lambda sample: sample.id)


def _in_turn(samples: Iterable[Sample], level: int) -> Iterator[Sample]:
    """Samples in the order in which a core set takes them; level 0 is themes, 2 scenes."""
    if level == 3:
        yield from sorted(samples, key=_worth)
        return
    groups: dict[tuple[int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault(_group(sample, level), []).append(sample)
    turns = [_in_turn(groups[key], level + 1) for key in sorted(groups)]
    while turns:
        left = []
        for turn in turns:
            if (best := next(turn, None)) is not None:
                yield best
                left.append(turn)
        turns = left


def _group(sample: Sample, level: int) -> tuple[int, str]:
    """What sorts a sample into its theme, subtheme or scene; those of a free prompt are all one."""
    if level == 0:
        return THEMES.index(sample.theme), ""
    return 0, (sample.subtheme if level == 1 else sample.scene) or ""


def _worth(sample: Sample) -> tuple[float, float, str]:
    return -sample.scores["edited_video"], -sample.scores["edited_frame0"], sample.id
