"""Every path of a run and of a release, made and parsed (`parse`), and nowhere else.

A run (generation writes it, builders read it)::

    RUN/
      run.toml                     the resolved configuration
      sources.jsonl                what each source file is, keyed by content sha256
      candidates.jsonl             id, source, theme, prompt?: append-only; ids are never reused
      outcomes/<step>.jsonl        what each step said of each sample
      .staging/<epoch>/            there while a driver works: what its workers write, before it has its place
      dropped.jsonl                there while outcomes behind a rejection are dropped: whose they are
      funnel.json                  there when the run is finished: counts a step
      reclaimed.jsonl              which artifacts stand in tars instead of files of their own
      shards/<sha256>.tar          those tars: further names of tars of a release
      <theme>/<kind>/ID.mp4        source_video, edited_video
      intermediate_data/<theme>/<kind>/ID.*

A bench (upstream's layout, ours below it)::

    BENCH/
      README.md
      <theme>_bench.csv            <theme>_metadata.jsonl
      source_videos/<theme>/ID.mp4
      ref_images/<theme>/ID.png    the new background without the subject
      masks/<theme>/ID.npz         the subject
      bench.json                   bench.parquet                  manifest.json

A release (upstream's layout, ours below it)::

    RELEASE/
      README.md
      prompts/<theme>_train.csv    prompts/<theme>_train_metadata.jsonl
      <theme>/<kind>/ID.mp4        the first samples, loose
      <theme>_<kind>_partXX.tar    members <theme>/<kind>/ID.mp4
      intermediate_data/<theme>/<kind>/ID.*
      intermediate_data/<theme>/{scores, groundings}.jsonl
      intermediate_data/<theme>_<kind>_partXX.tar
      data/<theme>/*.parquet       records/<theme>.parquet
      webdataset/<theme>-NNNNNN.tar   paired shards, where they are asked for; members ID.<field>
      assets/*                     plots and strips of the card, where they are asked for
      CHANGELOG.md                 there when pairs were taken down
      manifest.json                provenance.json                croissant.json
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from sparkle.schemas.ids import THEMES, is_id, theme_of

INTERMEDIATE = "intermediate_data"
DATA, RECORDS, PROMPTS = "data", "records", "prompts"
WEBDATASET, ASSETS = "webdataset", "assets"


@dataclass(frozen=True)
class Kind:
    """One kind of artifact: its folder's name, its suffix, whether it is an intermediate, its field.

    Example:
        >>> sparkle.EDITED_VIDEO.path("Sparkle_location_000000")
        'location/edited_video/Sparkle_location_000000.mp4'
        >>> sparkle.SOURCE_VIDEO_MASK.name
        'source_video_mask'

    The field is what follows the id in a paired shard: readers go by what stands behind its last dot.
    """

    name: str
    suffix: str
    intermediate: bool
    field: str

    def member(self, sample_id: str) -> str:
        """The path inside a tar: `<theme>/<kind>/ID.*`."""
        return f"{theme_of(sample_id)}/{self.name}/{sample_id}{self.suffix}"

    def path(self, sample_id: str) -> str:
        """The loose path, the same in a run and in a release."""
        member = self.member(sample_id)
        return f"{INTERMEDIATE}/{member}" if self.intermediate else member

    def shard(self, theme: str, part: int) -> str:
        """The path of a tar of this kind in a release."""
        name = f"{theme}_{self.name}_part{part:02d}.tar"
        return f"{INTERMEDIATE}/{name}" if self.intermediate else name


SOURCE_VIDEO = Kind("source_video", ".mp4", False, "src.mp4")
EDITED_VIDEO = Kind("edited_video", ".mp4", False, "tgt.mp4")
SOURCE_FRAME0 = Kind("source_frame0", ".png", True, "src_frame0.png")
EDITED_FRAME0 = Kind("edited_frame0", ".png", True, "tgt_frame0.png")
FOREGROUND_REMOVED = Kind("edited_frame0_foreground_removed", ".png", True, "removed.png")
BACKGROUND_VIDEO = Kind("edited_background_video", ".mp4", True, "background.mp4")
VIDEO_CANNY = Kind("edited_video_canny", ".mp4", True, "canny.mp4")
SOURCE_VIDEO_MASK = Kind("source_video_mask", ".npz", True, "mask.npz")

KINDS: tuple[Kind, ...] = (
    SOURCE_VIDEO,
    EDITED_VIDEO,
    SOURCE_FRAME0,
    EDITED_FRAME0,
    FOREGROUND_REMOVED,
    BACKGROUND_VIDEO,
    VIDEO_CANNY,
    SOURCE_VIDEO_MASK,
)
KIND_BY_NAME: dict[str, Kind] = {kind.name: kind for kind in KINDS}

# --- a run -----------------------------------------------------------------------------------------
RUN_CONFIG = "run.toml"
SOURCES = "sources.jsonl"
CANDIDATES = "candidates.jsonl"
DROPPED = "dropped.jsonl"
FUNNEL = "funnel.json"
RECLAIMED = "reclaimed.jsonl"
STAGING = ".staging"


def outcomes(step: str) -> str:
    """Where a step's outcomes stand in a run."""
    return f"outcomes/{step}.jsonl"


def held_shard(sha256: str) -> str:
    """Where a tar that holds reclaimed artifacts stands in a run."""
    return f"shards/{sha256}.tar"


# --- a release -------------------------------------------------------------------------------------
CARD = "README.md"
CHANGELOG = "CHANGELOG.md"  # of a release that pairs were taken down of: a section a takedown
MANIFEST = "manifest.json"
PROVENANCE = "provenance.json"
CROISSANT = "croissant.json"
IMPORT_REPORT = "import_report.jsonl"  # of a release that was imported: what is not as it should be
INDEX = "index.json"  # of an index: what its tables speak of, in place of a manifest
UPSTREAM_CARD = "upstream_card.md"  # of a release that was imported: the card that it came with
PAGES = (CARD, CHANGELOG, MANIFEST, PROVENANCE, CROISSANT, IMPORT_REPORT, UPSTREAM_CARD)

# Step whose record it is -> file name below intermediate_data/<theme>/ (upstream's names).
RECORD_FILES: dict[str, str] = {
    "edit_score": "edited_frame0_score.jsonl",
    "remove_score": "edited_frame0_foreground_removed_score.jsonl",
    "ground1": "foreground_grounding_r1.jsonl",
    "ground2": "foreground_grounding_r2.jsonl",
    "video_score": "edited_video_score.jsonl",
}


def prompts_csv(theme: str) -> str:
    """Upstream's table of pairs of a theme."""
    return f"{PROMPTS}/{theme}_train.csv"


def metadata_jsonl(theme: str) -> str:
    """Upstream's training metadata of a theme."""
    return f"{PROMPTS}/{theme}_train_metadata.jsonl"


def record_file(theme: str, step: str) -> str:
    """Upstream's JSON lines of a step of a theme."""
    return f"{INTERMEDIATE}/{theme}/{RECORD_FILES[step]}"


def text_files(theme: str) -> tuple[str, ...]:
    """Upstream's table of pairs and JSON lines of a theme."""
    return (
        prompts_csv(theme),
        metadata_jsonl(theme),
        *(record_file(theme, step) for step in RECORD_FILES),
    )


def data_folder(theme: str) -> str:
    """The folder of a theme's tables of pairs."""
    return f"{DATA}/{theme}"


def data_parquet(theme: str, part: int, parts: int) -> str:
    """A Parquet file of a theme's pairs; the name is what the Hub's viewer expects of split `train`."""
    return f"{data_folder(theme)}/train-{part:05d}-of-{parts:05d}.parquet"


def records_parquet(theme: str) -> str:
    """The Parquet file of a theme's records: boxes, labels, reasonings."""
    return f"{RECORDS}/{theme}.parquet"


def webdataset_shard(theme: str, number: int) -> str:
    """A paired shard of a theme."""
    return f"{WEBDATASET}/{theme}-{number:06d}.tar"


def webdataset_member(sample_id: str, field: str) -> str:
    """A member of a paired shard: no dot in the id, so that readers split it from the field."""
    return f"{sample_id}.{field}"


def plot(name: str) -> str:
    """A plot that the card shows."""
    return f"{ASSETS}/{name}"


def strip(theme: str) -> str:
    """An animated strip that the card shows: sources of a theme, and what they became."""
    return f"{ASSETS}/strip_{theme}.webp"


# --- what a path of a release is -------------------------------------------------------------------


class What(Enum):
    """What a file of a release is."""

    PAIRS = "a table of pairs"
    RECORDS = "a table of records"
    TEXT = "a table of pairs as csv, or JSON lines"
    TAR = "a tar of a kind"
    FILE = "an artifact as a file of its own"
    PAIRED = "a paired shard"
    ASSET = "a picture of the card"
    PAGE = "a page: the card, or what speaks of the whole release"
    OTHER = "no file of the layout"


@dataclass(frozen=True)
class Located:
    """What a path says.

    Attributes:
        what: What is there.
        theme: The theme that it is of; None for a file of all themes.
        kind: The kind of an artifact or of a tar of artifacts.
        part: The number of a tar, of a paired shard or of a table; None for a table under another name than
            ours.
    """

    what: What
    theme: str | None = None
    kind: Kind | None = None
    part: int | None = None


_OF_THEME = re.compile(
    f"(?P<folder>{INTERMEDIATE}|{DATA}|{RECORDS}|{PROMPTS}|{WEBDATASET}|{ASSETS}/strip_)?/?"
    f"(?P<theme>{'|'.join(THEMES)})(?P<rest>[-_./].*)"
)
_TAR_NAME = re.compile(f"_(?P<kind>{'|'.join(KIND_BY_NAME)})_part(?P<part>[0-9]{{2,}})[.]tar")
_TABLE_NAME = re.compile("/(?:train-(?P<part>[0-9]{5})-of-[0-9]{5}|[^/]+)[.]parquet")
_PAIRED_NAME = re.compile("-(?P<part>[0-9]{6,})[.]tar")
_ASSET_NAME = re.compile(f"{ASSETS}/[a-z0-9_]+[.](?:png|webp)")


def parse(path: str) -> Located:
    """Tell what a path of a release is, by its name alone."""
    match = _OF_THEME.fullmatch(path)
    if match is None:
        asset = What.ASSET if _ASSET_NAME.fullmatch(path) else What.OTHER
        return Located(What.PAGE if path in PAGES else asset)
    folder, theme, rest = match.groups()
    if folder == DATA and (name := _TABLE_NAME.fullmatch(rest)):
        return Located(What.PAIRS, theme, part=None if name["part"] is None else int(name["part"]))
    if folder == WEBDATASET and (name := _PAIRED_NAME.fullmatch(rest)):
        return Located(What.PAIRED, theme, part=int(name["part"]))
    if path == records_parquet(theme):
        return Located(What.RECORDS, theme)
    if path in text_files(theme):
        return Located(What.TEXT, theme)
    if folder in (None, INTERMEDIATE):
        return _parse_artifact(path, theme, rest)
    return Located(What.ASSET if path == strip(theme) else What.OTHER, theme)


def _parse_artifact(path: str, theme: str, rest: str) -> Located:
    """Tell what a tar or a loose artifact is, or what lies beside them."""
    if name := _TAR_NAME.fullmatch(rest):
        kind, part = KIND_BY_NAME[name["kind"]], int(name["part"])
        if kind.shard(theme, part) == path:
            return Located(What.TAR, theme, kind, part)
    found = KIND_BY_NAME.get(PurePosixPath(rest).parent.name)
    stem = PurePosixPath(rest).stem
    # Tars that are unpacked at the root leave intermediates there, not below their own folder.
    if found is not None and is_id(stem) and path in (found.path(stem), found.member(stem)):
        return Located(What.FILE, theme, found)
    return Located(What.OTHER, theme)


def belongs(path: str, *, imported: bool = False) -> bool:
    """Tell whether a release may hold a file of this name: the one list of what there is.

    Args:
        path: The file.
        imported: Whether the release was imported: artifacts may lie below `intermediate_data/` or not, as
            whoever extracted them left them.
    """
    at = parse(path)
    if at.what is What.PAIRS:
        return at.part is not None
    if at.what is What.OTHER and imported:
        name = path.removeprefix(f"{INTERMEDIATE}/")
        match = _OF_THEME.fullmatch(name)
        loose = (name, f"{INTERMEDIATE}/{name}")
        is_tar = match is not None and match["folder"] is None and _TAR_NAME.fullmatch(match["rest"])
        return bool(is_tar) or any(parse(place).what is What.FILE for place in loose)
    return at.what is not What.OTHER


def tables_of(theme: str, paths: Iterable[str]) -> list[str]:
    """Return those of some paths that are a theme's tables of pairs, in order."""
    wanted = f"{data_folder(theme)}/"
    return sorted(path for path in paths if path.startswith(wanted) and path.endswith(".parquet"))


# --- a bench ---------------------------------------------------------------------------------------
BENCH = "bench.json"  # what a bench of ours says of itself
BENCH_TABLE = "bench.parquet"
BENCH_CSV_COLUMNS = ("edited_type", "prompt", "original_video")


def bench_csv(theme: str) -> str:
    """A theme's table of a bench."""
    return f"{theme}_bench.csv"


def bench_metadata(theme: str) -> str:
    """A theme's metadata of a bench."""
    return f"{theme}_metadata.jsonl"


def bench_source(theme: str, sample_id: str) -> str:
    """A source video of a bench."""
    return f"source_videos/{theme}/{sample_id}.mp4"


def bench_reference(theme: str, sample_id: str) -> str:
    """The background of a sample of a bench, without its subject."""
    return f"ref_images/{theme}/{sample_id}.png"


def bench_mask(theme: str, sample_id: str) -> str:
    """The masks of the subject of a sample of a bench."""
    return f"masks/{theme}/{sample_id}.npz"


# --- what a model made of a bench ------------------------------------------------------------------
RESULTS = "sparkle_bench"  # the folder that upstream's test script makes in the one that it is given
KIWI_RESULTS = "openve"  # the folder that Kiwi-Edit's makes
BASELINE = "baseline.json"  # of results that no model made: which baseline, and of which bench


def bench_edited(theme: str, subtheme: str, scene: str, sample_id: str) -> str:
    """A model's edit of a sample, where upstream's test script writes it and its judge looks for it."""
    return f"{theme}/{subtheme}---{scene.replace(' ', '_')}/{sample_id}_edited.mp4"


def bench_edited_flat(theme: str, sample_id: str) -> str:
    """The same in a tree without scenes."""
    return f"{theme}/{sample_id}.mp4"


def bench_edited_kiwi(sample_id: str) -> str:
    """The same where Kiwi-Edit's test script writes it."""
    return f"{KIWI_RESULTS}/{sample_id}_edited.mp4"


def bench_concat(edited: str) -> str:
    """Source and edit side by side, which those scripts write beside an edit, for people."""
    folder, slash, name = edited.rpartition("/")
    if folder == KIWI_RESULTS:
        return f"{folder}{slash}concat_{name}"
    return f"{edited.removesuffix('.mp4').removesuffix('_edited')}_concat.mp4"
