"""What a build is going to do: which tars it needs, which of them exist, and whether the rest fits.

- `plan_shards` says what every tar holds: parts of the previous release stay, so that most tars are found
  again as they are, there or among those that a run holds.
- `plan_space` counts the bytes that are going to be written before anything is. Links cost nothing; text is
  estimated, from above, by what it is made of.
- With reclaiming, an artifact's file is deleted once its tar is durable: then room is needed for the tars
  that are under way, and for those whose members came out of other tars.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sparkle._progress import size_text
from sparkle._run_folder import Reclaimed
from sparkle.builders.building.pack import Journal, ShardPlan
from sparkle.builders.building.previous import PreviousRelease
from sparkle.builders.release.assign import assign, member_bytes
from sparkle.builders.release.sample import Sample
from sparkle.builders.release.tables import Artifacts
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import KINDS, Kind

# Text and tables are made of the outcomes: most of them once as JSON lines and once, compressed, as Parquet
# (measured: 1.03 times the outcomes, on 3,000 drawn records of upstream's lengths).
_TEXT_PER_OUTCOME_BYTE = 1.5
_PREVIEW_BYTES = 200_000  # a preview of a 720p pair takes about 110 KB

Themes = Mapping[str, Sequence[Sample]]


def plan_shards(
    themes: Themes, cap: int, previous: PreviousRelease
) -> tuple[list[ShardPlan], dict[str, dict[str, int]]]:
    """What every tar of a release holds.

    Args:
        themes: The samples of each theme, sorted by id.
        cap: The most bytes of a tar.
        previous: The release whose parts are kept.

    Returns:
        The tars by theme, kind and number, and the first number that no tar ever had, by theme and kind.
    """
    tars = {sample.folder: sample.reclaimed for found in themes.values() for sample in found}
    held = _held_shards(tars.values())
    numbers = {theme: dict(found) for theme, found in previous.next_numbers.items()}
    plans = []
    for theme, samples in themes.items():
        by_id = {sample.id: sample for sample in samples}
        known = numbers.setdefault(theme, {})
        for kind in KINDS:
            refs = {sample.id: sample.artifacts[kind.name] for sample in samples}
            before = previous.parts.get((theme, kind.name), {})
            sizes = [(sample_id, ref.size) for sample_id, ref in refs.items()]
            parts = assign(sizes, cap, before, known.get(kind.name, 0))
            for part in parts:
                path = kind.shard(theme, part.number)
                old = held.get((kind.name, part.ids))
                if previous.folder is not None and before.get(part.number) == part.ids:
                    old = previous.folder / path
                old = old if old and old.is_file() else None
                wanted = tuple(refs[sample_id] for sample_id in part.ids)
                plans.append(ShardPlan(path, kind, part.ids, wanted, partial(_artifact, by_id, kind), old))
            known[kind.name] = max([known.get(kind.name, 0), *(part.number + 1 for part in parts)])
    return plans, numbers


def _artifact(samples: Mapping[str, Sample], kind: Kind, sample_id: str) -> Artifact:
    return samples[sample_id].artifact(kind)


def _held_shards(tars: Iterable[Reclaimed]) -> dict[tuple[str, tuple[str, ...]], Path]:
    """Tars that runs hold, by kind and ids."""
    paths: dict[str, Path] = {}
    members: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for reclaimed in tars:
        for tar, listed in reclaimed.tars().items():
            paths[tar] = reclaimed.run / tar
            for held in listed:
                members.setdefault((tar, held.kind.name), []).append((held.offset, held.id))
    return {
        (kind, tuple(sample_id for _, sample_id in sorted(found))): paths[tar]
        for (tar, kind), found in members.items()
    }


def place_artifacts(plans: Sequence[ShardPlan]) -> Artifacts:
    """Where each artifact is going to lie in the release."""
    placed: dict[str, dict[str, Artifact]] = {kind.name: {} for kind in KINDS}
    for plan in plans:
        placed[plan.kind.name].update((artifact.id, artifact) for artifact in plan.members(plan.path))
    return placed


@dataclass(frozen=True)
class Space:
    """What a build needs of the disk.

    Attributes:
        write: Tars to write.
        reuse: Tars that are there: of the release before, held by a run, or finished by a killed build.
        needed: Bytes that are going to be written and not freed on the way.
        free: Bytes that the file system has for us.
    """

    write: int
    reuse: int
    needed: int
    free: int

    def __str__(self) -> str:
        needs = f"needs {size_text(self.needed)} of {size_text(self.free)} that are free"
        return f"plan: {self.write} tars to write, {self.reuse} to use again; {needs}"


def plan_space(
    folder: Path,
    plans: Sequence[ShardPlan],
    paired: Sequence[ShardPlan],
    journal: Journal,
    themes: Themes,
    *,
    preview: int,
    reclaim: bool,
    workers: int,
) -> Space:
    """Count what a build is going to write.

    Args:
        folder: Where the release is written.
        plans: Its tars.
        paired: Its paired shards.
        journal: Which of both are finished, and whether they are taken away.
        themes: Its samples.
        preview: How many first samples also get loose files.
        reclaim: Whether artifacts' files are deleted on the way.
        workers: How many tars are written at a time.
    """
    new = [plan for plan in plans if journal.find(plan) is None and not _linkable(plan.old, folder)]
    more = [plan.size for plan in paired if journal.find(plan) is None]
    tars = sum(plan.size for plan in new) + sum(more)
    shown = [sample for samples in themes.values() for sample in samples[:preview]]
    if journal.spool is not None:
        tars = _largest([*(plan.size for plan in new), *more], workers)
    elif reclaim:
        stay = {sample.id for sample in shown}
        freed = sum(
            member_bytes(artifact.size)
            for plan in new
            for _, artifact in plan.sources()
            if not artifact.offset and artifact.id not in stay
        )
        tars = min(tars, tars - freed + _largest([plan.size for plan in new], workers))
    sources = [sample.artifact(kind) for sample in shown for kind in KINDS]
    loose = sum(found.size for found in sources if found.offset or not _linkable(Path(found.file), folder))
    text = int(
        _TEXT_PER_OUTCOME_BYTE * sum(map(_outcome_bytes, {s.folder for f in themes.values() for s in f}))
    )
    needed = tars + loose + text + len(shown) * _PREVIEW_BYTES
    return Space(len(new), len(plans) - len(new), needed, shutil.disk_usage(folder).free)


def _largest(sizes: Sequence[int], count: int) -> int:
    """The bytes of the `count` largest of some tars."""
    return sum(sorted(sizes, reverse=True)[:count])


def refuse_overflow(space: Space, out: Path) -> None:
    """Raise ReleaseError when a release does not fit."""
    if space.needed > space.free:
        raise ReleaseError(
            "the release does not fit on this disk",
            got=f"{space.free:,} bytes free",
            wanted=f"{space.needed:,} bytes",
            where=out.parent,
            fix="make room or choose another --out; `--reclaim` needs no room for what it packs",
        )


def _linkable(path: Path | None, folder: Path) -> bool:
    return path is not None and path.stat().st_dev == folder.stat().st_dev


def _outcome_bytes(run: Path) -> int:
    files = (run / layout.outcomes("step")).parent.glob("*.jsonl")
    return sum(path.stat().st_size for path in files)
