"""Is a bench whole, does it agree with itself, and is it apart from what is trained on?

How it works
- A bench is a folder in upstream's layout, ours or upstream's own. Tables and metadata must go together, an
  id stands once over all themes, scenes can name folders, videos decode to their end and are 4k + 1 frames
  long, images and masks fit their video.
- Of a bench of ours the manifest's files, `bench.json` and `bench.parquet` must say the same as the rest.
- Sources are compared with each other, and with those of releases and indexes (`bench.contamination`).
- What is wrong is a finding; what is worth knowing and no more is a note.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

from sparkle._processes import Pool
from sparkle._progress import Progress, silent
from sparkle.builders.bench.contamination import (
    BenchSource,
    Match,
    Trained,
    find_trained,
    limits_note,
    plain_notes,
    read_source,
)
from sparkle.builders.bench.folder import (
    BenchItem,
    count_scenes,
    keyword_problem,
    read_theme,
    revision_of,
    themes_of,
)
from sparkle.builders.checks.failures import caught, run_caught
from sparkle.builders.checks.files import check_document, check_files, hash_jobs
from sparkle.builders.release.manifest import FileEntry, list_files
from sparkle.builders.release.read_tables import read_columns
from sparkle.media.frames import is_4k_plus_1
from sparkle.media.images import read_png
from sparkle.media.look_alike import NEAR, search, unpack_hashes
from sparkle.media.mask import mask_shape
from sparkle.media.probe import probe
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError, ReleaseError
from sparkle.schemas.ids import THEMES, is_id, theme_of
from sparkle.schemas.load import load
from sparkle.schemas.validate import Finding

_JOB_SAMPLES = 8  # some seconds of decoding


@dataclass(frozen=True)
class BenchReport:
    """What a check of a bench found.

    Attributes:
        findings: What is wrong, sorted by file and line.
        notes: What to know besides.
        matches: Sources that were trained on, or look as if they were.
        files: How many files it has.
        samples: Samples by theme.
        revision: What the bench is; None where it cannot be told.
        scenes: Theme -> subtheme -> scene -> samples.
    """

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    matches: tuple[Match, ...]
    files: int
    samples: dict[str, int]
    revision: str | None
    scenes: dict[str, dict[str, dict[str, int]]]


@dataclass
class _Sample:
    """What was read of a sample.

    Attributes:
        item: The sample.
        clip: Its source.
        findings: What is wrong.
        referenced: Whether its image has the size of its video; None where there is no image.
    """

    item: BenchItem
    clip: BenchSource
    findings: list[Finding] = field(default_factory=list)
    referenced: bool | None = None


@dataclass(frozen=True)
class SamplesJob:
    """Reads the files of some samples."""

    folder: Path
    items: tuple[BenchItem, ...]

    @property
    def file(self) -> str:
        """The first of them."""
        return layout.bench_source(self.items[0].theme, self.items[0].id)

    def __call__(self) -> list[_Sample]:
        """Read them."""
        return [self._read(item) for item in self.items]

    def _read(self, item: BenchItem) -> _Sample:
        name = layout.bench_source(item.theme, item.id)
        path = self.folder / name
        try:
            shape = probe(path)
        except MediaError as error:
            clip = BenchSource.unread(item.id, path, str(error))
            return _Sample(item, clip, [Finding(name, 0, "", error.problem, error.got, error.wanted)])
        found = _Sample(item, read_source(item.id, path))
        if not is_4k_plus_1(shape.frames):
            problem = "the source is not 4k + 1 frames long"
            found.findings.append(Finding(name, 0, "", problem, str(shape.frames), "5, 9, ..., 81"))
        image = layout.bench_reference(item.theme, item.id)
        if (self.folder / image).is_file():
            with caught(found.findings.append, image):
                picture = read_png(self.folder / image)
                found.referenced = picture.shape[:2] == (shape.height, shape.width)
        mask = layout.bench_mask(item.theme, item.id)
        if (self.folder / mask).is_file():
            with caught(found.findings.append, mask):
                sides = mask_shape((self.folder / mask).read_bytes())
                wanted = (shape.frames, shape.height, shape.width)
                if sides != wanted:
                    problem = "the masks do not fit the video"
                    found.findings.append(Finding(mask, 0, "", problem, str(sides), str(wanted)))
        return found


def check_bench_folder(
    folder: Path,
    pool: Pool,
    progress: Progress = silent,
    *,
    trained: Sequence[Trained] = (),
    accepted: Set[tuple[str, str]] = frozenset(),
    manifest: bool = True,
) -> BenchReport:
    """Check a bench.

    Args:
        folder: The bench.
        pool: Runs what reads files.
        progress: Reports progress.
        trained: What it must be apart from.
        accepted: Pairs of a sample and one that was trained on which look alike and are not.
        manifest: Whether to compare files with the manifest; `sparkle verify` has done so.

    Raises:
        ReleaseError: the folder is no bench at all.
    """
    findings: list[Finding] = []
    items: dict[str, BenchItem] = {}
    read: set[str] = set()  # themes whose tables can be read
    for theme in themes_of(folder):
        with caught(findings.append, layout.bench_csv(theme)):
            try:
                of_theme = read_theme(folder, theme)
            except ReleaseError as error:
                findings.append(_located(folder, theme, error))
                continue
            findings += _check_items(theme, of_theme, items)
            items |= of_theme
            read.add(theme)
    findings += _check_manifest(folder, pool) if manifest else ()
    listed = [item for item in items.values() if (folder / _source(item)).is_file()]
    for item in items.values():
        if item not in listed:
            findings.append(
                Finding(_source(item), 0, "", "the source video of a sample is missing", got=item.id)
            )
    findings += _check_strays(folder, items, read)
    samples: list[_Sample] = []
    jobs = [
        SamplesJob(folder, tuple(listed[start : start + _JOB_SAMPLES]))
        for start in range(0, len(listed), _JOB_SAMPLES)
    ]
    with progress("reading the bench", len(jobs)) as advance:
        for answer in run_caught(pool, jobs):
            if isinstance(answer, Finding):
                findings.append(answer)
            else:
                samples += answer
            advance()
    findings += chain.from_iterable(sample.findings for sample in samples)
    ours = (folder / layout.BENCH).is_file()
    notes = list(_reference_notes(samples, findings, ours=ours))
    clips = [sample.clip for sample in samples]
    findings += _same_inside(folder, clips)
    notes += _alike_inside(folder, clips)
    matches: list[Match] = []
    for place in trained:
        matches += find_trained(clips, place, accepted)
        notes += place.notes()
    findings += [match.finding() for match in matches if match.level != "look"]
    notes += [str(match) for match in matches if match.level == "look"]
    if trained:
        notes += [*plain_notes(clips), limits_note()]
    revision = None
    if read == {*themes_of(folder)} and len(clips) == len(items):
        revision = revision_of(items.values(), {clip.id: clip.sha256 for clip in clips})
    if ours:
        findings += _check_own(folder, items, clips, revision)
    return BenchReport(
        findings=tuple(sorted(dict.fromkeys(findings), key=lambda one: (one.file, one.line))),
        notes=tuple(notes),
        matches=tuple(matches),
        files=len(list_files(folder)),
        samples=dict(Counter(item.theme for item in items.values())),
        revision=revision,
        scenes=count_scenes(items.values()),
    )


def _source(item: BenchItem) -> str:
    return layout.bench_source(item.theme, item.id)


def _located(folder: Path, theme: str, error: ReleaseError) -> Finding:
    """What is wrong with tables, at the file and line that the error names."""
    name, _, line = str(error.where or "").removeprefix(f"{folder}/").partition(":")
    number = int(line) if line.isdecimal() else 0
    return Finding(name or layout.bench_csv(theme), number, "", error.problem, error.got, error.wanted)


def _check_items(theme: str, found: dict[str, BenchItem], before: dict[str, BenchItem]) -> Iterator[Finding]:
    """Ids of a theme, each once over all of them, and keywords that can name a folder."""
    for line, item in enumerate(found.values(), 1):
        where = (layout.bench_metadata(theme), line)
        if item.id in before:
            yield Finding(*where, "/id", "the id stands in another theme too", got=item.id)
        elif is_id(item.id) and theme_of(item.id) != theme:
            yield Finding(*where, "/id", "the id is one of another theme", got=item.id, wanted=theme)
        keyword = f"{item.subtheme}: {item.scene}" if item.subtheme or item.scene else None
        if (problem := keyword_problem(keyword)) is not None:
            yield Finding(*where, "/metadata/chosen_keyword", problem, got=keyword, wanted="subtheme: scene")


def _check_strays(folder: Path, items: dict[str, BenchItem], read: Set[str]) -> Iterator[Finding]:
    """Videos, images and masks of no sample; of a theme whose tables cannot be read nobody knows."""
    for place, name in (
        ("source_videos", layout.bench_source),
        ("ref_images", layout.bench_reference),
        ("masks", layout.bench_mask),
    ):
        known = {name(item.theme, item.id) for item in items.values()}
        for path in sorted((folder / place).rglob("*")):
            found = path.relative_to(folder).as_posix()
            if found.split("/")[1] in {*THEMES} - read:
                continue
            if not path.is_dir() and not path.name.startswith(".") and found not in known:
                yield Finding(found, 0, "", "a file of no sample of the tables")


def _reference_notes(samples: Sequence[_Sample], findings: list[Finding], *, ours: bool) -> Iterator[str]:
    """Say which images have not the size of their video, which those of another pipeline may."""
    missing = [sample.item for sample in samples if sample.referenced is None]
    other = [sample.item for sample in samples if sample.referenced is False]
    names = {finding.file for finding in findings}
    for item in (*other, *missing) if ours else ():
        name = layout.bench_reference(item.theme, item.id)
        problem = "the image has not the size of its video" if item in other else "the image is missing"
        if name not in names:
            findings.append(Finding(name, 0, "", problem, got=item.id))
    if not ours and other:
        yield f"{len(other)} of {len(samples)} background images have another size than their video"
    if not ours and missing:
        yield f"{len(missing)} of {len(samples)} samples have no background image"


def _same_inside(folder: Path, clips: Sequence[BenchSource]) -> Iterator[Finding]:
    """Samples of one source: the second one tests nothing new."""
    first: dict[str, BenchSource] = {}
    for clip in clips:
        before = first.setdefault(clip.sha256, clip)
        if before is not clip:
            problem, name = "another sample has the same source", clip.path.relative_to(folder).as_posix()
            yield Finding(name, 0, "", problem, got=before.id)


def _alike_inside(folder: Path, clips: Sequence[BenchSource]) -> Iterator[str]:
    """Samples whose sources look alike."""
    read = [clip for clip in clips if clip.problem is None]
    hashes = unpack_hashes([clip.hash for clip in read])
    for pair in search([clip.variants for clip in read], hashes, NEAR):
        one, other = read[pair.query], read[pair.row]
        if pair.query < pair.row and one.sha256 != other.sha256:
            yield f"{one.id} and {other.id} look alike: {pair.distance} of 256 bits differ"


def _check_manifest(folder: Path, pool: Pool) -> Iterator[Finding]:
    """The files of a bench of ours against its manifest."""
    if not (folder / layout.MANIFEST).is_file():
        return
    manifest, wrong = check_document(folder, layout.MANIFEST, "manifest")
    yield from wrong
    if manifest:
        entries = load(list[FileEntry], manifest["files"])
        found = list(check_files(folder, entries))
        yield from found
        for answer in run_caught(pool, hash_jobs(folder, entries, found, contents=True)):
            yield from [answer] if isinstance(answer, Finding) else answer


def _check_own(
    folder: Path, items: dict[str, BenchItem], clips: Sequence[BenchSource], revision: str | None
) -> Iterator[Finding]:
    """What a bench of ours says of itself."""
    document, wrong = check_document(folder, layout.BENCH, "bench")
    yield from wrong
    if document and revision is not None:
        told: tuple[tuple[str, Any, Any], ...] = (
            ("/revision", document["revision"], revision),
            ("/samples", document["samples"], len(items)),
            ("/scenes", document["scenes"], count_scenes(items.values())),
        )
        for pointer, got, wanted in told:
            if got != wanted:
                yield Finding(
                    layout.BENCH, 0, pointer, "it says something else than the tables", str(got), str(wanted)
                )
    try:
        columns = ["id", "theme", "subtheme", "scene", "prompt", "source_video_sha256", "median_hash"]
        rows = read_columns(folder / layout.BENCH_TABLE, columns, layout.BENCH_TABLE).to_pylist()
    except ReleaseError as error:
        yield Finding(layout.BENCH_TABLE, 0, "", error.problem, error.got, error.wanted)
        return
    read = {clip.id: clip for clip in clips}
    if [row["id"] for row in rows] != [*items]:
        yield Finding(layout.BENCH_TABLE, 0, "/rows", "not the samples of the tables, in their order")
    for number, row in enumerate(rows):
        item, clip = items.get(row["id"]), read.get(row["id"])
        if item is None or clip is None:
            continue
        same = {name: getattr(item, name) for name in ("theme", "subtheme", "scene", "prompt")}
        same |= {"source_video_sha256": clip.sha256, "median_hash": clip.hash}
        for name, wanted in same.items():
            if row[name] != wanted:
                problem, pointer = (
                    "the row differs from the files that it stands for",
                    f"/rows/{number}/{name}",
                )
                yield Finding(layout.BENCH_TABLE, 0, pointer, problem, str(row[name]), wanted)
