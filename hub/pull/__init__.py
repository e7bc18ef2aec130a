"""Chosen pairs of a release, on this machine: `pull` is what users call, as `sparkle.pull`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sparkle._progress import Progress, silent

if TYPE_CHECKING:
    from sparkle.hub.pull.pulling import Pulled


def pull(
    where: str | Path,
    out: str | Path,
    themes: Sequence[str] | None = None,
    *,
    streams: Sequence[str] = ("source_video", "edited_video"),
    min_scores: Mapping[str, float] | None = None,
    max_scores: Mapping[str, float] | None = None,
    limit: int | None = None,
    max_disk: int | str | None = None,
    progress: Progress = silent,
) -> Pulled:
    """Bring chosen pairs to this machine, as loose files with a csv of exactly what is there.

    Only the chosen bytes are transferred, and each file is verified. After a kill, or with another choice,
    the same call brings what is missing. The folder can be loaded, exported and trained on as it is.

    Example:
        >>> done = sparkle.pull("releases/demo", "pairs", ["location"], min_scores={"edited_video": 9})
        >>> done.csv
        ['prompts/location_train.csv']

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        out: The folder: new, empty, or one that was pulled into.
        themes: The themes; None for all.
        streams: Names of kinds of artifact.
        min_scores: Least scores, measures, `frames`, `width` or `height`, by name. A pair without that value
            is not chosen.
        max_scores: Largest ones, likewise.
        limit: Most pairs, the first by theme and id.
        max_disk: Refuse a choice of more bytes than this, as a number or such as "50GB".
        progress: Reports progress.

    Raises:
        ReleaseError: `where` cannot be read, no pair passes, there is no room, or what arrives is not what
            the tables say.
        ConfigError: a name is unknown.
        UnreachableError: the Hub does not answer.
    """
    from sparkle._progress import parse_size
    from sparkle.builders.reading.pairs import named_kinds
    from sparkle.hub.pull.plan import refuse_too_much
    from sparkle.hub.pull.pulling import PullChoice, plan_pull, pull_pairs

    choice = PullChoice(themes, min_scores or {}, max_scores or {}, limit, named_kinds(streams))
    plan = plan_pull(str(where), choice, Path(out), progress)
    refuse_too_much(plan, Path(out), None if max_disk is None else parse_size(str(max_disk)))
    return pull_pairs(plan, choice, Path(out), progress)
