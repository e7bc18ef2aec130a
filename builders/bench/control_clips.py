"""One sample of every control: its good edit is read, taken apart and harmed in every way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from sparkle._files import atomic_path, link_or_copy, write_atomic
from sparkle.builders.bench.audited import read_as
from sparkle.builders.bench.controls import (
    OTHER_PROMPT,
    SOURCE,
    SWAPPED,
    TWICE,
    UNTOUCHED,
    control_names,
    edit_place,
    results_of,
)
from sparkle.builders.bench.damages import DAMAGES, GRADES, HarmedClip
from sparkle.builders.bench.edits import BenchEdit, EditLook
from sparkle.builders.bench.folder import BenchItem
from sparkle.builders.bench.results import find_edit
from sparkle.media import Floats, Mask, Pixels
from sparkle.media.container import open_video
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.media.frames import resize
from sparkle.media.layers import take_apart
from sparkle.media.mask import load_mask, save_mask
from sparkle.media.moving import moving_subject
from sparkle.media.view import SizeRules, fit, look
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document, fingerprint, sha256_file
from sparkle.schemas.errors import MediaError
from sparkle.schemas.records import Record, Sha256
from sparkle.schemas.seeds import derive_seed

_REVISION = 1  # of how damages are made
_LEAST_CHANGED = 0.5  # levels, over the region that is harmed: less is void
_LOOKED_AT = 4  # every so many frames, when that is measured
_LOOKED_AT_WIDTH = 320
_GRAIN = 2.0  # levels that do not count
_COVERED = (0.005, 0.8)  # shares of a frame that a subject has


class MadeSample(Record, frozen=True):
    """What is kept of a sample: what it was made of, and by how many levels each damage changed it."""

    inputs: Sha256
    changed: dict[str, float]

    def void(self, name: str) -> bool:
        """Whether it does not show a control's damage."""
        return self.changed.get(name, _LEAST_CHANGED) < _LEAST_CHANGED


def link_anew(source: Path, target: Path) -> None:
    """Give a file a second name, or copy it, in place of what was there."""
    target.unlink(missing_ok=True)
    link_or_copy(source, target)


@dataclass(frozen=True)
class ControlClips:
    """Makes a sample of every control, in a worker; says why not where that cannot be."""

    item: BenchItem
    bench: Path
    edits: Path
    out: Path
    seed: int

    def __call__(self) -> MadeSample | str:
        """Make them, or return why that cannot be."""
        found = self._look()
        if isinstance(found, str):
            return found
        marker = self.out / "made" / f"{self.item.id}.json"
        inputs = self._inputs(found)
        if marker.is_file():
            earlier = read_as(MadeSample, marker, "a note on controls")
            if earlier.inputs == inputs and all(self._path(name).is_file() for name in control_names()):
                return earlier
        try:
            frames, masks, rate = self._read(found)
        except MediaError as error:
            return error.problem
        subject = float(masks.mean())
        if not _COVERED[0] <= subject <= _COVERED[1]:
            return "its subject is hardly there, or is nearly everything"
        clip = HarmedClip(take_apart(frames, masks), derive_seed(self.seed, self.item.id))
        with atomic_path(self.out / "made" / f"{self.item.id}.npz") as temporary:
            save_mask(temporary, masks)
        made = MadeSample(inputs, self._make(clip, rate, subject))
        write_atomic(marker, dump_document(made))
        return made

    def _look(self) -> BenchEdit | str:
        """Return a good edit, or why there is none."""
        path = find_edit(self.edits, self.item)
        if path is None:
            return "there is no edit of it"
        found = EditLook(BenchEdit(self.item, path), self._in_bench(layout.bench_source))()
        return found.reason or found.suspect or found

    def _inputs(self, found: BenchEdit) -> str:
        paths = [self._in_bench(layout.bench_source), self._in_bench(layout.bench_mask)]
        hashes = [sha256_file(path) if path.is_file() else None for path in paths]
        return fingerprint([_REVISION, self.seed, self.item.id, found.sha256, hashes])

    def _in_bench(self, place: Callable[[str, str], str]) -> Path:
        return self.bench / place(self.item.theme, self.item.id)

    def _path(self, name: str) -> Path:
        return edit_place(results_of(self.out, name), self.item)

    def _read(self, found: BenchEdit) -> tuple[Pixels, Mask, int]:
        """Return an edit, its subject and its frames a second.

        Raises:
            MediaError: it has no masks, and its subject cannot be told by its motion.
        """
        frames = decode(found.path)
        count, height, width = frames.shape[:3]
        path = self._in_bench(layout.bench_mask)
        if path.is_file():
            masks = load_mask(path)
            view = fit(masks.shape[2], masks.shape[1], SizeRules(width=width, height=height))
            masks = look(masks[:count], view)
        else:
            masks = moving_subject(self._source(count, width, height))
        if len(masks) < count:
            raise MediaError("its masks are shorter than its edit", where=path)
        with open_video(found.path) as video:
            return frames, masks, max(1, round(float(video.rate)))

    def _source(self, count: int, width: int, height: int) -> Pixels:
        """Return the source, as the edit shows it."""
        frames = decode(self._in_bench(layout.bench_source))[:count]
        view = fit(frames.shape[2], frames.shape[1], SizeRules(width=width, height=height))
        scaled = resize(frames, (view.scaled_width, view.scaled_height)) if view.resizes else frames
        return scaled[:, view.top : view.top + height, view.left : view.left + width]

    def _make(self, clip: HarmedClip, rate: int, subject: float) -> dict[str, float]:
        """Write every control, and return by how much each damage changed the pixels where it shows."""
        frames = clip.layers.frames
        height, width = frames.shape[1:3]
        plain = list(_small(clip.again()))
        for name, made in (
            (UNTOUCHED, clip.again()),
            (SOURCE, iter(self._source(len(frames), width, height))),
        ):
            self._write(name, made, rate)
        alike = {f"{OTHER_PROMPT}-{grade}": UNTOUCHED for grade in range(1, GRADES + 1)}
        for name, source in {**alike, SWAPPED: SOURCE, TWICE: UNTOUCHED}.items():
            link_anew(self._path(source), self._path(name))
        changed = {}
        for damage in DAMAGES:
            share = {"subject": subject, "background": 1 - subject, "frame": 1.0}[damage.region]
            for grade, value in enumerate(damage.grades, 1):
                name = f"{damage.name}-{grade}"
                found: list[float] = []
                made = _compared(damage.make(clip, value), plain, found)
                self._write(name, made, rate)
                changed[name] = round(float(np.mean(found)) / share, 4)
                if changed[name] < _LEAST_CHANGED:
                    link_anew(self._path(UNTOUCHED), self._path(name))
        return changed

    def _write(self, name: str, frames: Iterator[Pixels], rate: int) -> None:
        with atomic_path(self._path(name)) as temporary:
            encode(frames, temporary, fps=rate)


def _small(frames: Iterable[Pixels]) -> Iterator[Floats]:
    """Yield every fourth frame, small."""
    for image in islice(frames, None, None, _LOOKED_AT):
        yield _shrunk(image)


def _shrunk(image: Pixels) -> Floats:
    height, width = image.shape[:2]
    scale = min(1.0, _LOOKED_AT_WIDTH / width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def _compared(frames: Iterator[Pixels], plain: Sequence[Floats], found: list[float]) -> Iterator[Pixels]:
    """Pass frames on, and find by how many levels they differ from plain ones."""
    for index, image in enumerate(frames):
        if index % _LOOKED_AT == 0:
            change = np.abs(_shrunk(image) - plain[index // _LOOKED_AT])
            found.append(float(np.where(change > _GRAIN, change, 0).mean(dtype=np.float64)))
        yield image
