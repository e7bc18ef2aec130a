"""Which artifact of which sample lies where, and whether a theme's artifacts fit each other.

- A sample's artifact is the member of its tar; a loose file counts where no tar has it, and is compared with
  the tar's otherwise. What stands twice is a finding, and the first counts.
- Arrays have a row for each sample of the table of pairs: some 90 bytes a sample and kind.
- A kind that a theme lacks altogether, as after a partial download, is one finding and not one a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sparkle.builders.upstream.files import UpstreamTar
from sparkle.builders.upstream.index import Indexed, Size, Unit
from sparkle.builders.upstream.text import Pairs
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import KINDS, Kind
from sparkle.schemas.validate import Finding

NOWHERE = -1
_UNKNOWN = 0  # frames, height or width that headers do not say
_FRAMES, _HEIGHT, _WIDTH = range(3)


@dataclass
class Places:
    """Where the artifacts of a kind lie, by position in the table of pairs.

    Attributes:
        kind: The kind.
        files: Tars and loose files that hold them.
        file: int32 (N,), which of `files`, `NOWHERE` where there is none.
        offset: int64 (N,), byte offset in the file.
        size: int64 (N,), bytes.
        sha256: uint8 (N, 32).
        shape: int32 (N, 3), frames, height and width; 0 where headers do not say.
    """

    kind: Kind
    count: int
    files: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.file: npt.NDArray[np.int32] = np.full(self.count, NOWHERE, np.int32)
        self.offset: npt.NDArray[np.int64] = np.zeros(self.count, np.int64)
        self.size: npt.NDArray[np.int64] = np.zeros(self.count, np.int64)
        self.sha256: npt.NDArray[np.uint8] = np.zeros((self.count, 32), np.uint8)
        self.shape: npt.NDArray[np.int32] = np.full((self.count, 3), _UNKNOWN, np.int32)

    @property
    def there(self) -> npt.NDArray[np.bool_]:
        """Bool (N,): which samples have one."""
        return np.asarray(self.file != NOWHERE)

    @property
    def frames(self) -> npt.NDArray[np.int32]:
        """int32 (N,): how many frames, 0 where that is not known."""
        return self.shape[:, _FRAMES]

    def put(self, position: int, found: Artifact, size: Size) -> None:
        """Put a sample's artifact in its place."""
        if not self.files or self.files[-1] != found.file:
            self.files.append(found.file)
        self.file[position] = len(self.files) - 1
        self.offset[position] = found.offset
        self.size[position] = found.size
        self.sha256[position] = np.frombuffer(found.sha256 or bytes(32), np.uint8)
        if size is not None:
            self.shape[position] = size


def place_artifacts(
    theme: str, pairs: Pairs, units: Iterator[tuple[Unit, Indexed]], findings: list[Finding]
) -> dict[str, Places]:
    """Put a theme's artifacts where they belong.

    Args:
        theme: The theme.
        pairs: Its table of pairs.
        units: Its units, tars before loose files.
        findings: What is wrong is added here.

    Returns:
        Places by the name of the kind.
    """
    places = {kind.name: Places(kind, len(pairs.ids)) for kind in KINDS}
    parts: dict[str, list[int]] = {}
    for unit, indexed in units:
        if isinstance(unit, UpstreamTar):
            parts.setdefault(unit.kind.name, []).append(unit.part)
        findings += indexed.findings
        for found, size in indexed.found:
            _place(places[unit.kind.name], pairs, found, size, findings)
    for kind in KINDS:
        findings += _missing_parts(theme, kind, parts.get(kind.name, []))
        findings += _missing_samples(theme, places[kind.name], pairs)
    findings += check_shapes(theme, pairs, places)
    return places


def _place(places: Places, pairs: Pairs, found: Artifact, size: Size, findings: list[Finding]) -> None:
    member = found.member if found.offset else ""
    position = pairs.rows.get(found.id)
    if position is None:
        findings.append(Finding(found.file, 0, member, "an artifact of no sample of the csv"))
        return
    if places.file[position] == NOWHERE:
        places.put(position, found, size)
        return
    first = places.files[places.file[position]]
    if member:
        findings.append(
            Finding(found.file, 0, member, "the member stands twice; the first counts", got=first)
        )
    elif places.sha256[position].tobytes() != found.sha256:
        problem = "the loose file differs from the one that counts"
        findings.append(Finding(found.file, 0, "", problem, got=f"sha256 {found.hex}", wanted=first))


def _missing_parts(theme: str, kind: Kind, parts: list[int]) -> Iterator[Finding]:
    for part in sorted(set(range(max(parts, default=0))) - set(parts)) if parts else ():
        yield Finding(kind.shard(theme, part), 0, "", "a tar between others is missing")


def _missing_samples(theme: str, places: Places, pairs: Pairs) -> Iterator[Finding]:
    kind = places.kind
    missing = np.flatnonzero(~places.there)
    if len(pairs.ids) and len(missing) == len(pairs.ids):
        yield Finding(kind.shard(theme, 0), 0, "", f"no {kind.name} of the theme is there")
        return
    for position in missing:
        sample_id = pairs.ids[position]
        problem = f"a sample of the csv has no {kind.name}"
        yield Finding(layout.prompts_csv(theme), 0, kind.member(sample_id), problem, wanted=sample_id)


# --- shapes -----------------------------------------------------------------------------------


def check_shapes(theme: str, pairs: Pairs, places: Mapping[str, Places]) -> Iterator[Finding]:
    """Videos of a pair that differ, masks that do not fit, numbers of frames that are not 4k + 1.

    A background may be longer than its source: upstream animates 81 frames whatever the source has.
    """
    source = places[layout.SOURCE_VIDEO.name]
    known = source.frames != _UNKNOWN
    frames = known & (source.frames % 4 != 1)
    yield from _note(pairs, source, frames, "the number of frames is not 4k + 1", None)
    for kind in (layout.EDITED_VIDEO, layout.SOURCE_VIDEO_MASK):
        other = places[kind.name]
        unlike = known & (other.frames != _UNKNOWN) & (other.shape != source.shape).any(axis=1)
        yield from _note(pairs, other, unlike, "not the frames and size of the source video", source)
    background = places[layout.BACKGROUND_VIDEO.name]
    short = known & (background.frames != _UNKNOWN) & (background.frames < source.frames)
    yield from _note(pairs, background, short, "shorter than the source video", source)


def _note(
    pairs: Pairs, places: Places, wrong: npt.NDArray[np.bool_], problem: str, wanted: Places | None
) -> Iterator[Finding]:
    for position in np.flatnonzero(wrong).tolist():
        file, member = places.files[places.file[position]], places.kind.member(pairs.ids[position])
        right = None if wanted is None else _in_words(wanted, position)
        yield Finding(
            file, 0, member if file.endswith(".tar") else "", problem, _in_words(places, position), right
        )


def _in_words(places: Places, position: int) -> str:
    frames, height, width = places.shape[position]
    return f"{frames} frames of {width}x{height}"
