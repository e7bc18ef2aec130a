"""A drop-in for Kiwi-Edit's `UnifiedDataset`: the same items, sooner, never another sample than asked for.

Example:
    >>> Dataset = sparkle.kiwi.UnifiedDataset
    >>> data = Dataset(
    ...     base_path="releases/demo",
    ...     metadata_path="releases/demo/prompts/location_train.csv",
    ...     data_file_keys=["src_video", "tgt_video"],
    ...     main_data_operator=Dataset.default_video_operator("releases/demo", num_frames=5),
    ... )
    >>> len(data[0]["src_video"])
    5

How it works
- The arguments are those of Kiwi-Edit's training script, and so is an item: the row of the metadata with the
  files of `data_file_keys` opened as lists of PIL images, cropped and resized by its rules. docs/training.md
  has the lines to change.
- Kiwi-Edit decodes each video twice or three times, to count its frames first. Here the container says how
  many there are, and source and edited are decoded at once, each by one thread. From a worker, the images
  of a video arrive as one shared tensor (`frames`).
- Frames are taken by number. Kiwi-Edit reads a video whose frames are not evenly timed at a constant rate,
  and so gets some of them twice and others never.
- `base_path` may be a folder of files, as for Kiwi-Edit, or a release, an index or `owner/name` on a Hub:
  what is not a loose file is read out of its tar (`named_files`).
- Kiwi-Edit answers a bad sample with a random other one. Here it is an error that names it, or, with
  `on_error="skip"`, a `Skipped` in its place: a data loader must hand out something for every index, and
  workers cannot count for the process that trains. `without_skipped` takes these out and counts them.
- Rows of a csv are text: a prompt that reads "None" or "NA" stays one.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args

from sparkle.builders.training.named_files import NamedFiles
from sparkle.schemas.errors import ArtifactError, ConfigError, MediaError, SampleError

if TYPE_CHECKING:
    from PIL.Image import Image

    from sparkle.media.view import SizeRules

_IMAGES = (".jpg", ".jpeg", ".png", ".webp")
_VIDEOS = (".mp4", ".avi", ".mov", ".wmv", ".mkv", ".flv", ".webm")
SOURCE, EDITED = "src_video", "tgt_video"

Item = TypeVar("Item")
Operator = Callable[[Any], Any]
OnError = Literal["raise", "skip"]


class UnifiedDataset:
    """A map-style dataset for torch's `DataLoader`, with Kiwi-Edit's arguments.

    Args:
        base_path: What paths in the metadata count from.
        metadata_path: A csv, a JSON file or JSON lines with `src_video`, `tgt_video` and whatever else.
        repeat: How often an epoch goes through the rows.
        data_file_keys: Columns that name files; those that a row has are opened.
        main_data_operator: Opens a file; `default_video_operator` makes one.
        special_operator_map: Column -> what opens its files instead.
        on_error: "raise", or "skip": a `Skipped` takes a bad sample's place.

    Raises:
        ConfigError: the metadata cannot be read.
    """

    def __init__(
        self,
        base_path: str | Path | None = None,
        metadata_path: str | Path | None = None,
        repeat: int = 1,
        data_file_keys: Sequence[str] = (),
        main_data_operator: Operator = str,
        special_operator_map: Mapping[str, Operator] | None = None,
        *,
        on_error: OnError = "raise",
    ) -> None:
        if on_error not in get_args(OnError):
            raise ConfigError("invalid on_error", got=on_error, wanted="'raise' or 'skip'")
        if metadata_path is None:
            raise ConfigError(
                "there is no metadata",
                wanted="metadata_path; cached .pth files are pickles, which are never opened",
            )
        self.base_path = base_path
        self.metadata_path = metadata_path
        self.repeat = repeat
        self.data_file_keys = tuple(data_file_keys)
        self.main_data_operator = main_data_operator
        self.special_operator_map = dict(special_operator_map or {})
        self.on_error = on_error
        self.data = _read_metadata(Path(metadata_path))

    @staticmethod
    def default_video_operator(
        base_path: str | Path = "",
        max_pixels: int = 1920 * 1080,
        height: int | None = None,
        width: int | None = None,
        height_division_factor: int = 16,
        width_division_factor: int = 16,
        num_frames: int = 81,
        time_division_factor: int = 4,
        time_division_remainder: int = 1,
    ) -> KiwiFiles:
        """Make what opens a video or an image as a list of PIL images; the arguments are Kiwi-Edit's."""
        from sparkle.media.view import SizeRules

        if height_division_factor != width_division_factor:
            raise ConfigError(
                "sides are cut to one multiple",
                got=f"{height_division_factor} and {width_division_factor}",
                wanted="the same for height and width, as Kiwi-Edit trains",
            )
        rules = SizeRules(max_pixels, height, width, height_division_factor)
        return KiwiFiles(str(base_path), rules, num_frames, time_division_factor, time_division_remainder)

    def __len__(self) -> int:
        return len(self.data) * self.repeat

    def __getitem__(self, data_id: int) -> dict[str, Any] | Skipped:
        """Return a row with its files opened.

        Raises:
            SampleError: a file is missing or bad, or source and edited differ in size or length.
            ArtifactError: a file in a tar is not what its table says. With `on_error="skip"` both are
                returned as a `Skipped`.
        """
        row = self.data[int(data_id) % len(self.data)]
        try:
            return self._open(row)
        except (SampleError, ArtifactError) as error:
            if self.on_error == "raise":
                raise
            return Skipped(error.problem, str(error))

    def _open(self, row: Mapping[str, Any]) -> dict[str, Any]:
        from sparkle.media.threads import own_thread_only, side_by_side

        keys = [key for key in self.data_file_keys if key in row]
        with own_thread_only():
            opened = side_by_side(lambda key: self._open_files(key, row[key]), keys, len(keys))
        item = {**row, **dict(zip(keys, opened, strict=True))}
        _require_pair(item, row)
        return item

    def _open_files(self, key: str, value: Any) -> Any:
        operator = self.special_operator_map.get(key)
        if operator is not None:
            return operator(value)
        if isinstance(value, list):
            return [self.main_data_operator(part)[0] for part in value]
        return self.main_data_operator(value)


@dataclass
class KiwiFiles:
    """Opens files as Kiwi-Edit's `default_video_operator` does.

    Attributes:
        base_path: What paths count from.
        rules: How large frames become.
        num_frames: The most frames of a video, from its start.
        factor: A shorter video is cut so that its length leaves `remainder` over a multiple of this.
        remainder: See `factor`.
    """

    base_path: str
    rules: SizeRules
    num_frames: int
    factor: int
    remainder: int
    _files: NamedFiles = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._files = NamedFiles(self.base_path)

    def __call__(self, name: str) -> list[Image]:
        """Return the file's frames.

        Args:
            name: A path that counts from `base_path`, or an absolute one.

        Raises:
            MediaError: it is missing, bad or of an unknown kind.
            ArtifactError: it is in a tar and not what its table says.
        """
        if not isinstance(name, str) or not name:
            raise MediaError("a row names no file", got=repr(name), wanted="a path")
        suffix = Path(name).suffix.lower()
        if suffix not in (*_IMAGES, *_VIDEOS):
            known = ", ".join(_IMAGES + _VIDEOS)
            raise MediaError("unknown kind of file", got=suffix, wanted=known, where=name)
        data = self._files.find(name)
        try:
            return self._image(data) if suffix in _IMAGES else self._video(data)
        except MediaError as error:
            parts = {**error.parts(), "where": f"{self.base_path}: {name}"}
            raise MediaError(parts.pop("problem"), **parts) from error

    def _image(self, data: Path | bytes) -> list[Image]:
        from PIL import Image, UnidentifiedImageError

        from sparkle.media.view import fit

        try:
            with Image.open(io.BytesIO(data) if isinstance(data, bytes) else data) as file:
                image = file.convert("RGB")
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise MediaError("the image cannot be read", got=error) from error
        width, height = image.size
        view = fit(width, height, self.rules)
        if view.resizes:
            image = image.resize((view.scaled_width, view.scaled_height), Image.Resampling.BILINEAR)
        return [image.crop((view.left, view.top, view.left + view.width, view.top + view.height))]

    def _video(self, data: Path | bytes) -> list[Image]:
        from sparkle.builders.training.frames import Frames
        from sparkle.media.container import open_video
        from sparkle.media.view import fit, read_window

        with open_video(data, threads=1) as video:
            rules = self.rules
            pixels = read_window(
                video, 0, self.num_frames, lambda width, height: fit(width, height, rules), or_fewer=True
            )
        return Frames(pixels[: self._count(len(pixels))])

    def _count(self, length: int) -> int:
        if length >= self.num_frames:
            return self.num_frames
        count = length
        while count > 1 and count % self.factor != self.remainder:
            count -= 1
        return count


def _require_pair(item: Mapping[str, Any], row: Mapping[str, Any]) -> None:
    """Raise MediaError for a pair whose videos differ in size or length, as Kiwi-Edit does."""
    if not all(isinstance(item.get(key), list) for key in (SOURCE, EDITED)):
        return  # not opened as frames
    source, edited = ((len(item[key]), item[key][0].size) for key in (SOURCE, EDITED))
    if source != edited:
        raise MediaError(
            "source and edited video differ",
            got=f"{edited[0]} edited frames of {edited[1][0]}x{edited[1][1]}",
            wanted=f"{source[0]} frames of {source[1][0]}x{source[1][1]}, as in the source",
            where=f"{row[SOURCE]}, {row[EDITED]}",
        )


def _read_metadata(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metadata file."""
    rows: list[dict[str, Any]]
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            if path.suffix == ".json":
                rows = json.load(file)
            elif path.suffix == ".jsonl":
                rows = [json.loads(line) for line in file if line.strip()]
            else:
                rows = list(csv.DictReader(file, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        raise ConfigError("the metadata cannot be read", got=error, where=path) from error
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or SOURCE not in row or EDITED not in row or None in row.values():
            raise ConfigError(
                "a row of the metadata is not a pair",
                got=row,
                wanted=f"{SOURCE}, {EDITED} and a value in every column",
                where=f"{path}, row {number}",
            )
    if not rows:
        raise ConfigError("the metadata has no rows", where=path)
    return rows


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be read.

    Attributes:
        reason: The error's problem, the same words for all samples that have it.
        error: The whole error.
    """

    reason: str
    error: str


def without_skipped(items: Iterable[Item | Skipped], counts: Counter[str]) -> Iterator[Item]:
    """Yield the items without those that were skipped.

    Args:
        items: What a data loader yields.
        counts: Counts skipped samples by reason.
    """
    for item in items:
        if isinstance(item, Skipped):
            counts[item.reason] += 1
        else:
            yield item
