"""Level 5: the readers that people use read the release, and read what it says.

How it works
- Each reader is the unmodified library in a process of its own, which says what it read (`readers/`); that is
  compared here with the tables, by sha256 where it is bytes.
- A reader gets a fresh HF_HOME, so that nothing cached by anybody speaks for the release; the Hub and the
  token are those of this process, the token by the file that holds it. It runs outside of any folder whose
  names could hide a library, and a release in a folder is read offline.
- `datasets`: every theme as a config, map-style and streamed, with `columns=` and `filters=`; all themes as
  splits; the records. `webdataset`: the tars, and paired shards where there are some. `tar`: lists and
  extracts. Kiwi-Edit's rules: the csv and both videos. Our own reader: artifacts by their place.
- A reader that is not installed is not tried, and that is said.
- Of the tars of an import, which are upstream's, everything counts by the names that it has there; that
  `webdataset` passes over links is a note.
- Of tars the first members of one per kind and theme are read; of a Hub those alone are fetched. What all
  members are is for other levels.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sparkle._progress import Progress
from sparkle._scratch import scratch_folder
from sparkle.builders.bench.folder import read_theme
from sparkle.builders.bench.folder import themes_of as bench_themes
from sparkle.builders.reading.repository import Repository
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.tables import SCORE_COLUMNS
from sparkle.hub.verify.reader_process import run_consumer
from sparkle.hub.verify.report import LevelReport, NotProvedError, VerifyOptions
from sparkle.hub.verify.sampled_tars import SampledTar, paired_shards, sample_tars
from sparkle.hub.verify.verified import (
    Verified,
    choose_samples,
    member_rows,
    read_rows,
    themes_of,
)
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import sha256_bytes, sha256_file
from sparkle.schemas.errors import command
from sparkle.schemas.ids import theme_of
from sparkle.schemas.layout import KIND_BY_NAME, KINDS

_FACTS = ("frames", "width", "height", *SCORE_COLUMNS)


@dataclass(frozen=True)
class Readers:
    """What every reader is given.

    Attributes:
        release: The release.
        report: Where findings go.
        ids: The chosen samples, by theme.
        members: Every artifact in a tar, by theme.
        tars: The tars that are read.
        count: How many samples of a tar are read.
        scratch: A folder for their caches.
    """

    release: Verified
    report: LevelReport
    ids: Mapping[str, Sequence[str]]
    members: Mapping[str, Sequence[Artifact]]
    tars: Sequence[SampledTar]
    count: int
    scratch: Path

    def run(self, name: str, task: dict[str, Any]) -> Any:
        """What a reader read; None, and a finding, when it failed."""
        answer = run_consumer(name, task, self.scratch, offline=self.release.local)
        if answer.failure is not None:
            self.report.note(".", f"{name} does not read the release", got=answer.failure)
        return answer.value

    @property
    def where(self) -> str:
        """The release as a reader names it."""
        place = self.release.place
        if place.folder is not None:
            return str(place.folder.resolve())
        return Repository.parse(place.where).name

    @property
    def chosen(self) -> list[str]:
        """The chosen samples of all themes."""
        return [sample_id for ids in self.ids.values() for sample_id in ids]

    def compare(self, file: str, reader: str, pointer: str, got: object, wanted: object) -> None:
        """Note what a reader read otherwise than the release says."""
        if got != wanted:
            problem = f"{reader} reads something else than the release says"
            self.report.note(file, problem, pointer=pointer, got=got, wanted=wanted)


def verify_consumers(
    release: Verified, report: LevelReport, options: VerifyOptions, progress: Progress, workers: int
) -> None:
    """Let every reader read the release; what it reads otherwise goes to the report."""
    if layout.BENCH in release.files:
        _verify_bench(release, report)
        return
    chosen = choose_samples(release, options.sample, options.seed)
    themes = [theme for theme in themes_of(release) if any(theme_of(one) == theme for one in chosen)]
    ids = {theme: [one for one in chosen if theme_of(one) == theme] for theme in themes}
    members = {theme: member_rows(release, theme) for theme in themes}
    if not release.local:
        tables = [path for theme in themes for path in layout.tables_of(theme, release.files)]
        options.say(
            f"consumers: datasets fetches its tables itself ({release.sizes(tables):,} bytes and more for "
            f"streams and filters), of {len(themes) * len(KINDS)} tars the first members are fetched"
        )
    with scratch_folder() as folder:
        tars = list(sample_tars(release, members, options.sample, folder))
        readers = Readers(release, report, ids, members, tars, options.sample, folder)
        done = []
        with progress("reading with", len(_READERS)) as advance:
            for name, (needs, read) in _READERS.items():
                missing = [package for package in needs if find_spec(package) is None]
                if missing:
                    how = command("pip", "install", *missing)
                    report.notes.append(f"{name} was not tried: it needs `{how}`")
                else:
                    read(readers)
                    done.append(name)
                advance()
    report.samples = len(chosen)
    report.files = len(tars) + sum(len(layout.tables_of(theme, release.files)) for theme in themes)
    report.claim = f"{', '.join(done)} read what the release says"


# --- datasets ---------------------------------------------------------------------------------


def _read_with_datasets(readers: Readers) -> None:
    release = readers.release
    hashes = [f"{kind.name}_sha256" for kind in KINDS]
    columns = [*CSV_COLUMNS, *_FACTS, *hashes]
    records = any(layout.parse(path).what is layout.What.RECORDS for path in release.files)
    task = {"where": readers.where, "revision": release.commit, "ids": readers.ids, "columns": columns}
    answer = readers.run("datasets", {**task, "records": records})
    if answer is None:
        return
    counts = {}
    for theme in themes_of(release):
        table = read_rows(release, theme, [*columns, "preview"])
        counts[theme] = table.num_rows
        if theme in readers.ids:
            rows = {row["task"]: _plain(row, columns) for row in table.to_pylist()}
            _compare_theme(readers, theme, answer["themes"][theme], rows)
    readers.compare(layout.CARD, "datasets", "config default", answer["default"], counts)
    if records:
        found = sum(answer["records"].values())
        readers.compare(layout.CARD, "datasets", "config records", found, sum(counts.values()))


def _compare_theme(
    readers: Readers, theme: str, found: Mapping[str, Any], rows: Mapping[str, Mapping[str, Any]]
) -> None:
    file = layout.data_folder(theme)

    def compare(pointer: str, got: object, wanted: object) -> None:
        readers.compare(file, "datasets", pointer, got, wanted)

    compare("number of rows", found["count"], len(rows))
    compare("first columns", found["columns"], list(CSV_COLUMNS))
    for sample_id in readers.ids[theme]:
        row = found["rows"].get(sample_id, {})
        for name, wanted in rows[sample_id].items():
            compare(f"{sample_id} {name}", row.get(name), wanted)
    first = next(iter(rows))
    compare("first row", found["first"], first)
    compare("first row, streamed", found["streamed"], rows[first])
    compare("columns=", found["few"], ["prompt", "task"])
    compare("filters=", found["filtered"], sorted(readers.ids[theme]))


def _plain(row: Mapping[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """A row as the consumer tells it."""
    plain = {name: value.hex() if isinstance(value := row[name], bytes) else value for name in columns}
    preview = row["preview"]
    return {**plain, "preview": None if preview is None else sha256_bytes(preview["bytes"])}


def _verify_bench(release: Verified, report: LevelReport) -> None:
    """Let `datasets` read a bench, which has no tars."""
    if find_spec("datasets") is None:
        raise NotProvedError("datasets is not installed", fix=f"`{command('pip', 'install', 'datasets')}`")
    release.need([path for path in release.files if path.endswith((".csv", ".jsonl"))])
    wanted = {
        theme: [
            dict(
                zip(
                    layout.BENCH_CSV_COLUMNS,
                    (theme, item.prompt, layout.bench_source(theme, item.id)),
                    strict=True,
                )
            )
            for item in read_theme(release.folder, theme).values()
        ]
        for theme in bench_themes(release.folder)
    }
    with scratch_folder() as folder:
        readers = Readers(release, report, {}, {}, (), 0, folder)
        task = {"where": readers.where, "revision": release.commit, "themes": [*wanted]}
        answer = readers.run("bench", task)
    if answer is not None:
        for theme, rows in wanted.items():
            readers.compare(layout.bench_csv(theme), "datasets", "", answer["rows"][theme], rows)
        counts = {theme: len(rows) for theme, rows in wanted.items()}
        readers.compare(layout.CARD, "datasets", "config default", answer["default"], counts)
    report.files, report.samples = len(wanted), sum(map(len, wanted.values()))
    report.claim = "datasets reads what the tables say"


# --- tars -------------------------------------------------------------------------------------


def _read_with_webdataset(readers: Readers) -> None:
    wanted: dict[str, Mapping[str, str]] = {tar.shard: tar.read for tar in readers.tars}
    tars = {tar.shard: (str(tar.path.resolve()), tar.samples) for tar in readers.tars}
    if readers.release.local:
        paired = paired_shards(readers.release, readers.members, readers.count)
        wanted |= paired
        folder = readers.release.folder
        tars |= {shard: (str((folder / shard).resolve()), readers.count) for shard in paired}
    for tar in readers.tars:
        if tar.links:
            note = f"{tar.shard}: webdataset passes over links, and so does not see {tar.links} artifacts"
            readers.report.notes.append(note)
    answer = readers.run("webdataset", {"tars": tars})
    for shard, members in wanted.items() if answer is not None else ():
        for name, sha256 in members.items():
            readers.compare(shard, "webdataset", name, answer[shard].get(name), sha256)


def _read_with_tar(readers: Readers) -> None:
    if shutil.which("tar") is None:
        readers.report.notes.append("tar was not tried: there is no such command")
        return
    for number, tar in enumerate(readers.tars):
        listed = _tar(readers, tar, "-tf", str(tar.path))
        found = [] if listed is None else listed.splitlines()
        if tar.others:
            found = [name for name in found if name in tar.listed]
        if listed is not None and found != list(tar.listed):
            got, wanted = f"{len(found)} members", f"{len(tar.listed)}, those of the rows in their order"
            readers.compare(tar.shard, "tar", "list of members", got, wanted)
        target = readers.scratch / f"tar{number}"
        target.mkdir()
        if _tar(readers, tar, "-xf", str(tar.path), "-C", str(target), *tar.read) is not None:
            for name, sha256 in tar.read.items():
                got = sha256_file(target / name) if (target / name).is_file() else "nothing"
                readers.compare(tar.shard, "tar", name, got, sha256)


def _tar(readers: Readers, tar: SampledTar, *words: str) -> str | None:
    """What the command prints; None, and a finding, when it fails."""
    done = subprocess.run(["tar", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        readers.report.note(tar.shard, "tar does not read the shard", got=done.stderr.strip()[-200:])
        return None
    return done.stdout


# --- pairs ------------------------------------------------------------------------------------


def _read_with_kiwi(readers: Readers) -> None:
    release = readers.release
    for theme, ids in readers.ids.items():
        folder = readers.scratch / f"kiwi-{theme}"
        for row in readers.members[theme]:
            if row.id in ids and row.kind in (layout.SOURCE_VIDEO, layout.EDITED_VIDEO):
                path = folder / row.kind.path(row.id)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(release.member(row) or b"")
        csv = layout.prompts_csv(theme)
        if csv not in release.files:
            readers.report.note(csv, "Kiwi-Edit finds no csv")
            continue
        release.need([csv])
        task = {"csv": str((release.folder / csv).resolve()), "folder": str(folder), "ids": ids}
        answer = readers.run("kiwi", task)
        if answer is not None:
            _compare_pairs(readers, theme, ids, answer)


def _compare_pairs(
    readers: Readers, theme: str, ids: Sequence[str], answer: Mapping[str, Mapping[str, Any]]
) -> None:
    csv = layout.prompts_csv(theme)
    table = read_rows(readers.release, theme, ["task", "prompt", "frames", "width", "height"])
    rows = {row["task"]: row for row in table.to_pylist()}
    for sample_id in ids:
        found, row = answer.get(sample_id), rows[sample_id]
        if found is None:
            readers.report.note(csv, "Kiwi-Edit finds no row of the sample", wanted=sample_id)
            continue
        shape = [row["frames"], row["height"], row["width"]]
        readers.compare(csv, "Kiwi-Edit", f"{sample_id} prompt", found["prompt"], row["prompt"])
        for name in ("src_video", "tgt_video"):
            readers.compare(csv, "Kiwi-Edit", f"{sample_id} {name}", found[name], shape)
        if row["frames"] % 4 != 1:
            readers.report.note(csv, "Kiwi-Edit wants 4k + 1 frames", pointer=sample_id, got=row["frames"])


def _read_with_ours(readers: Readers) -> None:
    rows = {
        (row.id, row.kind.name): row
        for found in readers.members.values()
        for row in found
        if row.id in readers.chosen
    }
    whole = [one for one in readers.chosen if all((one, kind.name) in rows for kind in KINDS)]
    where, commit = readers.where, readers.release.commit
    task = {
        "where": where if commit is None else f"{where}@{commit}",
        "ids": whole,
        "kinds": list(KIND_BY_NAME),
        "cache": str(readers.scratch / "cache"),
    }
    answer = readers.run("sparkle", task) if whole else {}
    for sample_id in whole if answer is not None else ():
        for name in KIND_BY_NAME:
            row = rows[sample_id, name]
            got = answer.get(sample_id, {}).get(name)
            readers.compare(row.file, "our reader", row.member, got, row.hex)


# Reader -> the packages that it needs, and what reads with it.
_READERS: dict[str, tuple[tuple[str, ...], Callable[[Readers], None]]] = {
    "datasets": (("datasets",), _read_with_datasets),
    "webdataset": (("webdataset",), _read_with_webdataset),
    "tar": ((), _read_with_tar),
    "Kiwi-Edit's rules": (("pandas",), _read_with_kiwi),
    "our reader": ((), _read_with_ours),
}
