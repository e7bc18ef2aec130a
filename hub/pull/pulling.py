"""Chosen samples of a release or an index, as loose files in upstream's layout.

How it works
- Pairs are chosen from the tables, a plan says what is missing (`plan`), and what is missing is read in the
  order in which it lies in its tars and written beside its place, checked, and renamed: a file is there whole
  and right, or not at all.
- At last the tables of the folder are written (`tables`): they list exactly what is there.
- A rerun, after a kill or with another choice, brings what is missing and nothing else.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sparkle.builders.progress import Progress, silent
from sparkle.builders.source.columns import GROUPS, REST
from sparkle.builders.source.pairs import Pairs, open_pairs
from sparkle.builders.source.source import open_source
from sparkle.hub.pull.conditions import Condition
from sparkle.hub.pull.plan import Plan, make_plan, refuse_too_much
from sparkle.hub.pull.tables import refuse_foreign, write_tables
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.fsio import remove_leftovers, safe_join, temporary_beside
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind

_MEGABYTE = 10**6


@dataclass(frozen=True)
class Choice:
    """Which samples are pulled, and what of them.

    Attributes:
        themes: The themes; None is all that there are.
        conditions: What must hold.
        limit: How many pairs at most, the first by theme and id.
        kinds: The streams.
    """

    themes: Sequence[str] | None = None
    conditions: Sequence[Condition] = ()
    limit: int | None = None
    kinds: Sequence[Kind] = (SOURCE_VIDEO, EDITED_VIDEO)


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    Attributes:
        out: The folder.
        pairs: How many pairs were chosen.
        files: How many files were brought.
        bytes: Their bytes.
        requests: Requests of the Hub, those for tables included.
        received: Bytes of its answers.
        csv: The csv files that were written.
    """

    out: Path
    pairs: int
    files: int
    bytes: int
    requests: int
    received: int
    csv: Sequence[str]


def plan_pull(where: str, choice: Choice, out: Path, progress: Progress = silent) -> Plan:
    """Choose pairs, and find out what of them is missing in a folder.

    Args:
        where: A folder with a release or an index, or `owner/name[@revision]` of either on a Hub.
        choice: Which pairs, and what of them.
        out: The folder.
        progress: Told how the work goes on.

    Raises:
        ReleaseError: `where` cannot be read, nothing passes, or the folder holds something else.
    """
    refuse_foreign(out)
    pairs = _choose(where, choice)
    with progress("looking at what is there", len(pairs) * len(choice.kinds)) as advance:
        return make_plan(pairs, choice.kinds, out, advance)


def pull_pairs(plan: Plan, choice: Choice, out: Path, progress: Progress = silent) -> Pulled:
    """Bring what a plan says that is missing.

    Args:
        plan: The plan.
        choice: What it was made of.
        out: The folder.
        progress: Told of megabytes.

    Raises:
        ReleaseError: there is no room, another process pulls into the folder, or what comes is not what the
            tables say. What was brought before stays.
        UnreachableError: the Hub does not answer.
    """
    refuse_too_much(plan, out, None)
    source = open_source(plan.pairs.place, cache_bytes=0)  # what is pulled is kept in its place
    with _locked(out), progress("pulling (MB)", plan.missing_bytes // _MEGABYTE) as advance:
        remove_leftovers(out)
        done = 0
        for artifact, data in zip(plan.missing, source.read_many(plan.missing, gap=plan.gap), strict=True):
            path = safe_join(out, artifact.path)
            temporary = temporary_beside(path)
            temporary.write_bytes(data)
            temporary.replace(path)  # not synced: a rerun looks at what is there
            before, done = done, done + len(data)
            advance(done // _MEGABYTE - before // _MEGABYTE)
        asked = [item.column for item in choice.conditions if item.column in GROUPS[REST]]
        written = write_tables(out, plan, asked)
    return Pulled(
        out=out,
        pairs=len(plan.pairs),
        files=len(plan.missing),
        bytes=plan.missing_bytes,
        requests=source.requests,
        received=source.bytes_read,
        csv=written,
    )


def _choose(where: str, choice: Choice) -> Pairs:
    pairs = open_pairs(where, choice.themes, kinds=choice.kinds)
    passing = np.ones(len(pairs), bool)
    for condition in choice.conditions:
        passing &= condition.passes(pairs)
    rows = np.flatnonzero(passing)
    if not len(rows):
        raise ReleaseError(
            "no pair passes", got=f"none of {len(pairs):,}", where=pairs.name, fix="ask for less in --where"
        )
    return pairs.take(rows[: choice.limit])


@contextmanager
def _locked(out: Path) -> Iterator[None]:
    """Hold a folder, made if need be, against other pulls."""
    out.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(out, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ReleaseError("another process pulls into this folder", where=out, fix="wait for it") from None
    finally:
        os.close(descriptor)
