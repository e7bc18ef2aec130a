"""The readers of foreign bytes: real files that each reads, how it is called, and what it may raise.

A reader may refuse what it is given, by the errors that it documents. Anything else escapes, and so does what
a reader says of itself that does not hold.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import struct
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import lz4.frame
import msgspec

from fuzz.mutate import mutated
from harness import factories, judged
from harness.audited import audit_of
from harness.endpoint import completion
from sparkle.builders.bench.audited import Fitness, Response, read_audit
from sparkle.builders.bench.controls import Control, Controls, read_controls
from sparkle.builders.bench.folder import BenchItem
from sparkle.builders.bench.foreign import KIWI, OPENVE_CSV, import_verdicts
from sparkle.builders.bench.looked_at import read_accepted
from sparkle.builders.bench.results import read_results
from sparkle.builders.bench.verdicts import read_verdicts
from sparkle.builders.building.bench import BenchOptions
from sparkle.builders.building.bench_writer import BenchInput, build_bench
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.selection import read_dropped, read_ids
from sparkle.builders.checks.members import read_tar
from sparkle.builders.checks.records import RecordsJob
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.checks.text import LinesJob, PairsJob
from sparkle.builders.reading.columns import GROUPS, open_groups
from sparkle.builders.reading.folder import FolderPlace
from sparkle.builders.reading.index import IndexDocument, dump_index, read_index
from sparkle.builders.release.about import read_about
from sparkle.builders.release.any_tar import TarStream
from sparkle.builders.release.footer import parse_footer
from sparkle.builders.release.formats import JSONL, jsonl_path
from sparkle.builders.release.manifest import (
    FileEntry,
    describe_file,
    dump_manifest,
    list_files,
    read_manifest,
)
from sparkle.builders.release.read_tables import TableFile
from sparkle.builders.release.read_text import line_reader, pair_reader, read_lines, read_pairs
from sparkle.builders.release.removed import read_provenance
from sparkle.builders.release.tar import list_tar
from sparkle.builders.training.turns import TurnRows, Turns, read_turn_state
from sparkle.commands.status import status_table
from sparkle.generation.backends.vlm.endpoint import ChatEndpoint, Completion
from sparkle.generation.config import load_config
from sparkle.generation.judges.human import HumanJudge
from sparkle.generation.judges.judge import JudgedEdit
from sparkle.generation.run.hashes import open_hashes
from sparkle.generation.run.sources import list_sources
from sparkle.generation.run.status import read_left
from sparkle.generation.run.timings import read_timings
from sparkle.hub.staging.store.cards import card_metadata, check_card_yaml
from sparkle.hub.staging.store.commits import make_commit
from sparkle.hub.staging.store.refusal import Refusal
from sparkle.hub.staging.store.repos import create_repository, find_repository
from sparkle.hub.staging.store.root import open_root
from sparkle.hub.staging.store.xet_format import read_chunks, read_shard, unpack
from sparkle.hub.verify.levels import verify_release
from sparkle.hub.verify.report import INTEGRITY, VerifyOptions
from sparkle.media.images import read_png
from sparkle.media.look_alike import median_hash
from sparkle.media.mask import load_mask, mask_shape
from sparkle.media.probe import look, probe, read_shape
from sparkle.schemas import layout
from sparkle.schemas.calibration import Agreement, Calibration, Curve, read_calibration
from sparkle.schemas.canonical import dump_document, sha256_bytes
from sparkle.schemas.errors import (
    AnswerError,
    ConfigError,
    MediaError,
    RecordError,
    ReleaseError,
    RunError,
    SourceListError,
)
from sparkle.schemas.judge_answer import read_judge_answer
from sparkle.schemas.rubric import SPARKLE_6
from sparkle.schemas.validate import check_line, findings_of, parse_strict

THEME = "location"
_ALIKE = b"# looked at\nSparkle_location_000050 Sparkle_location_000003\n"


@dataclass(frozen=True)
class Files:
    """Real files to start from, and a folder to work in.

    Attributes:
        run: A run.
        release: The release that was built of it.
        scratch: A folder of the process that reads.
    """

    run: Path
    release: Path
    scratch: Path

    @property
    def bench(self) -> Path:
        """The bench that was built of the run's rejects."""
        return self.release.with_name("bench")

    def put(self, name: str, data: bytes) -> Path:
        """Write a file into the scratch folder."""
        path = self.scratch / name
        path.unlink(missing_ok=True)  # what is written over is flushed, which takes milliseconds
        path.write_bytes(data)
        return path


def make_files(folder: Path) -> None:
    """Make the run and the release that everything starts from."""
    rejects = [replace(spec, scores={"video_score": 5.0}) for spec in factories.specs(THEME, 2, first=50)]
    run = factories.write_run(folder / "run", [*factories.specs(THEME, 3), *rejects])
    build_release([run], folder / "release", ReleaseOptions(max_shard_size=9000, preview=1))
    build_bench(BenchInput([run]), folder / "bench", BenchOptions(), workers=1)


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        name: What it is called.
        seeds: Real inputs.
        read: Reads an input.
        refuses: What it may raise.
        quick: How many inputs a test gives it: a reader that decodes or opens databases gets fewer.
        make: What makes an input of the real ones, by a number.
    """

    name: str
    seeds: Callable[[Files], Sequence[bytes]]
    read: Callable[[Files, bytes], object]
    refuses: tuple[type[Exception], ...] = ()
    quick: int = 2000
    make: Callable[[Sequence[bytes], str], bytes] = mutated


def below(*patterns: str, of: str = "release") -> Callable[[Files], Sequence[bytes]]:
    """Seeds that are files of the release, or of the run."""

    def seeds(files: Files) -> Sequence[bytes]:
        folder: Path = getattr(files, of)
        return [path.read_bytes() for pattern in patterns for path in sorted(folder.glob(pattern))]

    return seeds


def lines(*patterns: str, of: str = "release") -> Callable[[Files], Sequence[bytes]]:
    """Seeds that are lines of files of JSON lines."""
    return lambda files: [line for data in below(*patterns, of=of)(files) for line in data.splitlines(True)]


# --- tars and media --------------------------------------------------------------------------------


def _any_tars(files: Files) -> Sequence[bytes]:
    """Tars of ours, and of others: pax and GNU headers, long names, links, folders."""
    found = list(below("*.tar")(files))
    name = f"{THEME}/source_video/Sparkle_location_000000.mp4"
    for style in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=style, pax_headers={"comment": "é"}) as tar:
            for member in (
                name,
                f"./{name}",
                f"{'x' * 90}/{'y' * 90}/{name}" * (style != tarfile.USTAR_FORMAT),
            ):
                info = tarfile.TarInfo(member or name)
                info.size, info.uname = 700, "né"
                tar.addfile(info, io.BytesIO(bytes(700)))
            for kind in (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE):
                info = tarfile.TarInfo("other")
                info.type, info.linkname = kind, name
                tar.addfile(info)
        found.append(out.getvalue())
    return found


def _list_tar(files: Files, data: bytes) -> None:
    for member in list_tar(files.put("a.tar", data)):
        assert 0 <= member.offset <= member.offset + member.size <= len(data)


def _read_tar(files: Files, data: bytes) -> None:
    for ours in (True, False):
        for contents in (True, False):
            stream = TarStream(io.BytesIO(data), seek=not contents, hashed=not ours)
            rows = read_tar(stream, "a.tar", THEME, layout.SOURCE_VIDEO, contents=contents, ours=ours)
            places = zip(rows.columns["offset"].tolist(), rows.columns["size"].tolist(), strict=True)
            assert all(0 <= offset <= offset + size <= len(data) for offset, size in places)


def _npz(files: Files) -> Sequence[bytes]:
    """Masks as we pack them and as upstream does."""
    import numpy as np

    out = io.BytesIO()
    masks = np.zeros((5, 24, 32), bool)
    np.savez(out, mask=np.packbits(masks), shape=np.array(masks.shape, ">i4"))
    return [*below("intermediate_data/*/source_video_mask/*.npz")(files), out.getvalue()]


def _mask(files: Files, data: bytes) -> None:
    sides = None
    with contextlib.suppress(MediaError):
        sides = mask_shape(data)
    masks = load_mask(data)
    assert masks.shape == sides


def _shape(suffix: str, files: Files, data: bytes) -> None:
    assert min(read_shape(data, suffix)) >= 0


def _video(files: Files, data: bytes) -> None:
    path = files.put("clip.mp4", data)
    for read in (probe, look, median_hash):
        with contextlib.suppress(MediaError):
            read(path)


# --- text and tables -------------------------------------------------------------------------------


def _csv(files: Files, data: bytes) -> None:
    read = pair_reader(io.BytesIO(data)) if data else None
    for row in read_pairs(io.BytesIO(data), "a.csv", THEME):
        if row.values is not None and read is not None:
            assert tuple(read(row.offset).values()) == row.values
    PairsJob(files.put("a.csv", data), THEME)()


def _jsonl(step: str, files: Files, data: bytes) -> None:
    read = line_reader(io.BytesIO(data))
    for row in read_lines(io.BytesIO(data), "a.jsonl", THEME, step):
        if row.record is not None and not row.findings and not row.habits:
            assert read(row.offset) == row.values
            assert not list(findings_of(JSONL[step][0], row.values))
    LinesJob(files.put("a.jsonl", data), THEME, step)()


def _schema(name: str, files: Files, data: bytes) -> None:
    value, findings = check_line(data, name)
    json.dumps([finding.to_json() for finding in findings]).encode()
    if not findings:  # what is fine stays so when it is written and read again
        assert not check_line(json.dumps(value).encode(), name)[1]


def _footers(files: Files) -> Sequence[bytes]:
    """What stands before the length and the mark at the end of a table."""
    tables = below("data/*/*.parquet", "records/*.parquet")(files)
    return [data[-8 - int.from_bytes(data[-8:-4], "little") : -8] for data in tables]


def _table(files: Files, data: bytes) -> None:
    table = TableFile(io.BytesIO(data)).read()
    table.to_pylist()


def _groups(files: Files, data: bytes) -> None:
    """The columns that loaders open, from a table that a manifest lists."""
    files.put("a.parquet", data)
    entry = FileEntry("a.parquet", len(data), sha256_bytes(data))
    before = os.environ.get("SPARKLE_CACHE", "")
    os.environ["SPARKLE_CACHE"] = str(files.scratch / "cache")
    try:
        for table in open_groups(FolderPlace(files.scratch), [entry], GROUPS).values():
            table.to_pylist()
    finally:
        os.environ["SPARKLE_CACHE"] = before
        shutil.rmtree(files.scratch / "cache", ignore_errors=True)


def _records(files: Files, data: bytes) -> None:
    path = files.put("records.parquet", data)
    RecordsJob(path, THEME, (0,), 0)()


# --- documents and settings ------------------------------------------------------------------------


def _in_file(name: str, read: Callable[[Path], object]) -> Callable[[Files, bytes], object]:
    return lambda files, data: read(files.put(name, data))


def _manifest(files: Files, data: bytes) -> None:
    files.put(layout.MANIFEST, data)
    read_manifest(files.scratch)


def _index(files: Files) -> Sequence[bytes]:
    entries = [FileEntry(entry.path, entry.size, entry.sha256) for entry in read_manifest(files.release)]
    return [
        dump_index(IndexDocument(tuple(entries[:3]), tuple(entries[3:]), repo="a/b", commit="0" * 40)),
        dump_index(IndexDocument(tuple(entries[:3]), tuple(entries[3:]), folder="..")),
    ]


_ABOUT = b"""title = "Beach"
license = "cc-by-4.0"
authors = ["A. Author"]
language = ["en"]
description = "Clips."
links = {Project = "https://example.org"}

[sources.location]
license = "cc0-1.0"
origin = "drawn"
"""
_VERDICTS = b"""{"id": "Sparkle_location_000000", "verdict": "drop", "source": "%s"}
{"id": "Sparkle_location_000003", "verdict": "note", "text": "blurred"}
""" % (b"0" * 64)
_SOURCES = b"""{"path": "clip.mp4", "theme": "location"}
{"path": "clip.mp4", "theme": "openve3m", "prompt": "Put it elsewhere.", "licence": "cc0-1.0"}
"""
_TIMINGS = b'{"steps": {"flow": {"samples": 12, "seconds": 3.5}, "track": {"samples": 2, "seconds": 90}}}\n'
_STATUS = (
    b'{"candidates":4,"steps":[{"step":"track","done":3,"waiting":1,"per_second":0.5,"seconds":6.0}],'
    b'"finished":false,"host":"node-1","process":12,"began":1e9,"heard":1000000005.5,"workers":3,"gpus":2,'
    b'"busy":0.9,"seconds_left":3.0}\n'
)
_HASHES = b"".join(b"%s%064x  %s\n" % line for line in ((b"", 1, b"clip.mp4"), (b"\\", 2, b"a\\nb.mp4")))
_TURNED = {"images": TurnRows(3, "a" * 64, "images.csv"), "videos": TurnRows(5, "b" * 64, "videos.csv")}
_TURNS = msgspec.json.encode(Turns(_TURNED, 4).state_after(5))


def _turns(files: Files, data: bytes) -> None:
    state = read_turn_state(data.decode("utf-8", "replace"), "step-5.safetensors")
    turns = Turns(_TURNED, 4, state=state)
    turns.state_after(min(len(turns), 9))


def _configurations(files: Files) -> Sequence[bytes]:
    own = b'base = "classical"\nseed = 3\n[source]\nfps = 8\n[thresholds]\nedited_frame0 = 9\n'
    named = [path.read_bytes() for path in sorted(Path("sparkle/configs").glob("*.toml"))]
    return [own, *named]


def _sources(files: Files, data: bytes) -> None:
    (files.scratch / "clip.mp4").touch()
    list_sources(files.put("list.jsonl", data), [THEME], None)


def _told(path: Path) -> None:
    status_table(read_left(path))


def _hashes(path: Path) -> None:
    with open_hashes(path) as file:
        file.find(["clip.mp4"])


# --- the staging hub -------------------------------------------------------------------------------


def _xorbs(files: Files) -> Sequence[bytes]:
    def chunk(scheme: int, content: bytes) -> bytes:
        packed = lz4.frame.compress(content) if scheme else content
        sizes = [len(part).to_bytes(3, "little") for part in (packed, content)]
        return b"\0" + sizes[0] + bytes([scheme]) + sizes[1] + packed

    return [b"".join(chunk(scheme, bytes(range(256)) * 3) for scheme in (0, 1, 2)) + b"XETBLOB\1rest"]


def _xorb(files: Files, data: bytes) -> None:
    view = memoryview(data)
    for found in read_chunks(view):
        with contextlib.suppress(Refusal):
            assert len(unpack(view, found)) == found.size


def _shards(files: Files) -> Sequence[bytes]:
    head = b"HFRepoMetaData".ljust(32, b"\0") + struct.pack("<QQ", 2, 200)
    file = b"\1" * 32 + struct.pack("<IIQ", 1 << 31 | 1 << 30, 2, 0)
    terms = b"".join(b"\2" * 32 + struct.pack("<IIII", 0, 300, start, start + 1) for start in (0, 1))
    shard = head + file + terms + b"\3" * 96 + b"\4" * 32 + bytes(16) + b"\xff" * 32 + bytes(16)
    read_shard(shard)
    return [shard]


def _commits(files: Files) -> Sequence[bytes]:
    operations = [
        {"key": "header", "value": {"summary": "first", "description": "words"}},
        {"key": "file", "value": {"path": "a/b.txt", "content": "YWJj", "encoding": "base64"}},
        {
            "key": "file",
            "value": {"path": "README.md", "content": "LS0tCmxpY2Vuc2U6IG1pdAotLS0K", "encoding": "base64"},
        },
        {"key": "deletedFile", "value": {"path": ".gitattributes"}},
        {"key": "deletedFolder", "value": {"path": "a"}},
        {"key": "lfsFile", "value": {"path": "c.bin", "algo": "sha256", "oid": "0" * 64, "size": 4}},
    ]
    texts = [json.dumps(one).encode() + b"\n" for one in operations]
    return [b"".join(texts[:3]), b"".join(texts[:2] + texts[4:5])]


def _commit(files: Files, data: bytes) -> None:
    with open_root(files.scratch / "hub") as root:
        with root.database.write() as connection:
            repository = find_repository(connection, "dataset", "me/it")
            if repository is None:
                repository = create_repository(connection, "dataset", "me/it", private=False)
        make_commit(root.database, root.blobs, repository, "main", files.put("commit", data))


def _cards(files: Files) -> Sequence[bytes]:
    return below("README.md")(files)


def _card(files: Files, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for kind in ("dataset", "model"):
        check_card_yaml(text, kind)
    card_metadata(text)


# --- a whole release -------------------------------------------------------------------------------


def _files_of(whole: str) -> Callable[[Files], Sequence[bytes]]:
    """The number of a file, then its bytes: so the first byte decides which file they become."""

    def seeds(files: Files) -> Sequence[bytes]:
        folder: Path = getattr(files, whole)
        names = list_files(folder)
        return [bytes([place]) + (folder / name).read_bytes() for place, name in enumerate(names)]

    return seeds


def _flipped(seeds: Sequence[bytes], number: str) -> bytes:
    """A file of a release in which a single bit differs; of all bits each is as likely."""
    dice = random.Random(number)  # noqa: S311 - nothing secret
    (seed,) = dice.choices(seeds, [8 * (len(seed) - 1) for seed in seeds])
    data, bit = bytearray(seed), dice.randrange(8, 8 * len(seed))
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def _of_whole(whole: str, quick: int) -> list[Target]:
    """The targets of a release or a bench."""
    seeds, untouched = _files_of(whole), partial(_release, whole, fitting=False)
    return [
        Target(f"{whole}, manifest untouched", seeds, untouched, (), quick),
        Target(f"{whole}, one bit flipped", seeds, untouched, (), quick, _flipped),
        Target(f"{whole}, manifest fitting", seeds, partial(_release, whole, fitting=True), (), quick),
    ]


def _says_the_same(ours: bytes, theirs: bytes) -> bool:
    with contextlib.suppress(RecordError):
        return bool(parse_strict(ours) == parse_strict(theirs))
    return False


def _release(whole: str, files: Files, data: bytes, *, fitting: bool) -> None:
    """A release or a bench with one file that is another: found at that file, unless the manifest knows it.

    Harmless is a manifest that says the same in other bytes. What it says wrongly of a file is found there;
    the sha256 of a whole tar is compared by `verify` alone.
    """
    original: Path = getattr(files, whole)
    names = list_files(original)
    name = names[data[0] % len(names)] if data else names[0]
    fitting = fitting and name != layout.MANIFEST
    folder = files.scratch / whole
    if not folder.exists():
        shutil.copytree(original, folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).write_bytes(data[1:])
    try:
        if fitting:
            entries = [describe_file(folder, path) for path in names if path != layout.MANIFEST]
            (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))
        report = check_release(folder, options=CheckOptions())
        broken = [finding for finding in report.findings if finding.problem.startswith("the check of this")]
        assert not broken, broken
        before = (original / name).read_bytes()
        if data[1:] != before and not fitting:
            found = {finding.file for finding in report.findings}
            same = name == layout.MANIFEST and _says_the_same(data[1:], before)
            if name == layout.MANIFEST and not found and not same:
                levels = verify_release(folder, VerifyOptions(levels=(INTEGRITY,), workers=1)).levels
                found = {finding.file for finding in levels[0].findings}
            assert name in found or same or (found and name == layout.MANIFEST), name
    finally:
        shutil.copyfile(original / name, folder / name)
        shutil.copyfile(files.release / layout.MANIFEST, folder / layout.MANIFEST)


SCHEMAS = {
    "candidate": lines("candidates.jsonl", of="run"),
    "source": lines("sources.jsonl", of="run"),
    "outcome": lines("outcomes/*.jsonl", of="run"),
    "funnel": below("funnel.json", of="run"),
    "manifest": below(layout.MANIFEST),
    "provenance": below(layout.PROVENANCE),
    "index": _index,
    "source_list": lambda files: _SOURCES.splitlines(True),
}

# --- judges ----------------------------------------------------------------------------------------

_HEADINGS = tuple(dimension.heading for dimension in SPARKLE_6.dimensions)
_ANSWER = "Brief reasoning: Fine.\n" + "".join(f"{name}: 4\n" for name in _HEADINGS)
_OF_JUDGES = [
    _ANSWER.encode(),
    f"<think>no: 2</think>\n**1. {_ANSWER}**".encode(),
    f"```json\n{json.dumps(dict.fromkeys(_HEADINGS, 5))}\n```".encode(),
]
_OPENVE = b"edited_type,prompt,original_video\nlocal_change,Make it red.,videos/0000_local_change.mp4\n"
_RESULTS = (
    b"edited_type,prompt,original_video,edited_result_path,results,average\n"
    b"local_change,Make it red.,videos/0000_local_change.mp4,x.mp4,"
    b'"Prompt Compliance: 4\\nVisual Naturalness & Temporal Stability: 3\\n'
    b'Physical & Motion Integrity: 2",3.0\n'
)
_KIWI = (
    b'{"scores": [4, 3, 2], "prompt": "Make it red.", "edited_type": "local_change", "result": '
    b'"Instruction Compliance: 4\\nVisual Quality & Stability: 3\\nConsistency & Detail Fidelity: 2"}\n'
)


def _answer(files: Files, data: bytes) -> None:
    found = read_judge_answer(data.decode("utf-8", "replace"), _HEADINGS)
    assert len(found.scores) == len(_HEADINGS)
    assert {*found.scores} <= {1, 2, 3, 4, 5}


def _judged(files: Files) -> Sequence[bytes]:
    return [judged.write(files.scratch / "judged.jsonl").read_bytes()]


def _calibrations(files: Files) -> Sequence[bytes]:
    head = judged.head()
    curve = Curve(given=(1.0, 5.0), meant=(1.0, 3.0), pairs=100, scenes=9, after=Agreement(0.5, 0.0))
    found = Calibration(
        format="sparkle-calibration",
        version=1,
        rubric=head.rubric,
        judge=head.judge,
        reference=head.judge,
        folds=5,
        verdicts=(("a" * 64,), ("b" * 64,)),
        dimensions={"visual": curve},
    )
    return [dump_document(found)]


def _audits(files: Files) -> Sequence[bytes]:
    keys = [dimension.key for dimension in judged.head().rubric.dimensions]
    response = Response(samples=3, spearman=0.9, interval=(0.8, None), auc=1.0, fell={"visual": 1.0})
    unfit = Fitness(False, ("says nothing of it",), response)
    return [dump_document(audit_of(dict.fromkeys(keys, unfit)))]


def _controls(files: Files) -> Sequence[bytes]:
    control = Control(name="late-1", bench="a" * 64, damage="late", dimension="fg_motion", strength=1)
    found = Controls(
        format="sparkle-bench-controls",
        version=1,
        made_of="a" * 64,
        seed=0,
        samples=("a",),
        left_out={"there is no edit of it": 1},
        controls=(control,),
    )
    return [dump_document(found)]


def _of_controls(files: Files, data: bytes) -> None:
    files.put("controls.json", data)
    read_controls(files.scratch)


def _results(files: Files, data: bytes) -> None:
    item = BenchItem("0000_local_change", "local_change", "", "", "Make it red.")
    found = read_results(files.scratch, files.put("results.csv", data), {item.id: item})
    assert found.edits[item.id].status != "ok"  # there are no files
    assert len(found.findings()) >= 1


def _rated(files: Files) -> Sequence[bytes]:
    line = {"format": "sparkle-rating", "version": 1, "bench": "a" * 64, "rubric": SPARKLE_6.name}
    line |= {"rater": "Ann", "edit": "0" * 20, "raw": [4] * 6, "note": "é"}
    return [json.dumps(line).encode() + b"\n"]


def _ratings(files: Files, data: bytes) -> None:
    judge = HumanJudge(ratings=(str(files.put("ratings.jsonl", data)),))
    judge.setup()
    edit = JudgedEdit("a" * 64, "id", "Let it snow.", files.scratch, files.scratch, "b" * 64, "c" * 64)
    if judge.repeats:
        assert not judge.knows(edit, 1)


def _completions(files: Files) -> Sequence[bytes]:
    usage = {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12}
    about = {"model": "m", "usage": usage, "system_fingerprint": "fp"}
    return [completion(_ANSWER, about=about)[2], completion(None, "length", refusal="No.")[2]]


def _completion(files: Files, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    body = SimpleNamespace(text=text)
    endpoint = ChatEndpoint(
        base_url="", key="", timeout=1, retries=0, backoff=0, create=lambda **request: body
    )
    found = endpoint.send({})
    assert found == text or msgspec.json.decode(msgspec.json.encode(found), type=Completion) == found


def _imported(form: str, files: Files, data: bytes) -> None:
    bench, given = files.put("bench.csv", _OPENVE), files.put("given", data)
    out = files.scratch / "verdicts.jsonl"
    import_verdicts([given], out, form=form, model="m", judge="j", bench=bench)
    assert read_verdicts(out).findings == ()


_UNREAD = (ConfigError, RecordError)

TARGETS: tuple[Target, ...] = (
    Target("tar of ours, listed", below("*.tar"), _list_tar, (ReleaseError,)),
    Target("any tar", _any_tars, _read_tar),
    Target("mask", _npz, _mask, (MediaError,)),
    Target("header of an mp4", below("*/*_video/*.mp4"), partial(_shape, ".mp4"), (MediaError,)),
    Target("header of a PNG", below("**/*.png"), partial(_shape, ".png"), (MediaError,)),
    Target("PNG", below("**/*.png"), lambda files, data: read_png(data), (MediaError,)),
    Target("video", below("*/*_video/*.mp4"), _video, quick=300),
    Target("csv of pairs", below("prompts/*.csv"), _csv),
    *(
        Target(f"JSON lines of {step}", below(jsonl_path(THEME, step)), partial(_jsonl, step), quick=1000)
        for step in JSONL
    ),
    *(Target(f"schema {name}", seeds, partial(_schema, name), quick=1000) for name, seeds in SCHEMAS.items()),
    Target("footer of a table", _footers, lambda files, data: parse_footer(data), (OSError,), quick=700),
    Target("table of pairs", below("data/*/*.parquet"), _table, (ReleaseError,), quick=700),
    Target("columns of pairs", below("data/*/*.parquet"), _groups, (ReleaseError,), quick=300),
    Target("table of records", below("records/*.parquet"), _records, quick=700),
    Target("manifest", below(layout.MANIFEST), _manifest, (ReleaseError,), quick=1000),
    Target("index", _index, _in_file(layout.INDEX, read_index), (ReleaseError,), quick=1000),
    Target(
        "provenance", below(layout.PROVENANCE), _in_file("p.json", read_provenance), (ReleaseError,), 1000
    ),
    Target("release.toml", lambda files: [_ABOUT], _in_file("release.toml", read_about), (ConfigError,)),
    Target("verdicts", lambda files: [_VERDICTS], _in_file("v", read_dropped), _UNREAD),
    Target("state of a training", lambda files: [_TURNS], _turns, (ConfigError,)),
    Target("ids", lambda files: [_VERDICTS[8:31] + b"\n"], _in_file("ids", read_ids), _UNREAD),
    Target("answer of a judge", lambda files: _OF_JUDGES, _answer, (AnswerError,)),
    Target("calibration", _calibrations, _in_file("c.json", read_calibration), (ConfigError,), quick=500),
    Target("audit", _audits, _in_file("a.json", read_audit), (ReleaseError,), quick=500),
    Target("controls", _controls, _of_controls, (ReleaseError,), quick=500),
    Target("file of verdicts", _judged, _in_file("j", read_verdicts), (ReleaseError,), quick=300),
    Target("csv of verdicts", lambda files: [_RESULTS], partial(_imported, OPENVE_CSV), (ReleaseError,), 300),
    Target("ratings", _rated, _ratings, (ConfigError,), quick=500),
    Target("completion of an endpoint", _completions, _completion),
    Target("csv of results", lambda files: [_RESULTS], _results, (ReleaseError,), 300),
    Target("lines of verdicts", lambda files: [_KIWI], partial(_imported, KIWI), (ReleaseError,), 300),
    Target("configuration", _configurations, _in_file("c.toml", load_config), (ConfigError,), quick=500),
    Target("list of sources", lambda files: [_SOURCES], _sources, (SourceListError,)),
    Target("hashes of sources", lambda files: [_HASHES], _in_file("h", _hashes), (SourceListError,)),
    Target("timings", lambda files: [_TIMINGS], _in_file("t.json", read_timings), (ConfigError,)),
    Target("status of a run", lambda files: [_STATUS], _in_file("s.json", _told), (RunError,)),
    Target("xorb", _xorbs, _xorb, (Refusal,)),
    Target("shard of a xorb", _shards, lambda files, data: read_shard(data), (Refusal,)),
    Target("commit", _commits, _commit, (Refusal,), quick=200),
    Target("card", _cards, _card, quick=100),
    *_of_whole("release", 40),
    *_of_whole("bench", 15),
    Target("pairs that look alike", lambda files: [_ALIKE], _in_file("a", read_accepted), (ConfigError,)),
)
