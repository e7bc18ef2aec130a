"""Bad input gets a clear error or a Failed outcome that names the file, and the rest goes on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import closing
from fractions import Fraction

import av
import numpy as np
import pytest

from sparkle._cache import HashCache
from sparkle.commands.console import Terminal
from sparkle.generation.config import parse_config
from sparkle.generation.run.sources import (
    ListedSource,
    inspect_source,
    licences,
    list_sources,
    new_candidates,
)
from sparkle.media.decode import decode
from sparkle.media.encode import encode
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, SourceListError
from sparkle.schemas.records import Candidate, SourceRecord

NAMES = "naïve clip ☃ (1).mp4"  # spaces and unicode


def generate(sources, out, *words):
    command = [
        sys.executable,
        "-m",
        "sparkle",
        "generate",
        "--sources",
        sources,
        "--out",
        out,
        "--json",
        *words,
    ]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)


def write_audio(path):
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16000)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        frame.rate, frame.time_base = 16000, Fraction(1, 16000)
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.fixture(scope="module")
def mess(clips, tmp_path_factory):
    """A run over every kind of broken file, with one good clip among them."""
    folder = tmp_path_factory.mktemp("mess")
    good = clips["first"].path
    shutil.copy(good, folder / NAMES)
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_bytes(b"this is text\n" * 100)
    (folder / "truncated.mp4").write_bytes(good.read_bytes()[: good.stat().st_size * 2 // 3])
    write_audio(folder / "audio.mp4")
    encode(decode(good)[:1], folder / "one frame.mp4")
    (folder / "notes.txt").write_text("not a video, and not called one")
    run = tmp_path_factory.mktemp("run") / "run"
    result = generate(folder, run, "--workers", 2)
    assert result.returncode == 0, result.stderr
    sources = {
        line["sha256"]: line["path"]
        for line in map(json.loads, (run / layout.SOURCES).read_text().splitlines())
    }
    names = {
        line["id"]: sources[line["source"]].rpartition("/")[2]
        for line in map(json.loads, (run / layout.CANDIDATES).read_text().splitlines())
    }
    lines = map(json.loads, (run / layout.outcomes("normalise")).read_text().splitlines())
    return json.loads(result.stdout), {names[line["id"]]: line for line in lines}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["empty.mp4", "text.mp4", "truncated.mp4", "audio.mp4"])
def test_an_unreadable_file_fails_by_its_name(mess, name):
    outcome = mess[1][name]
    assert outcome["status"] == "failed"
    assert name in json.dumps(outcome["error"])


@pytest.mark.slow
def test_a_single_frame_is_too_short(mess):
    assert mess[1]["one frame.mp4"]["status"] == "rejected"
    assert mess[1]["one frame.mp4"]["reason"].startswith("too short: 1 frames")


@pytest.mark.slow
def test_the_rest_goes_on(mess):
    assert mess[1][NAMES]["status"] == "kept"
    assert mess[0]["funnel"]["kept"] == 1
    assert "notes.txt" not in mess[1]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("{", "not JSON"),
        ('{"path": "first.mp4", "colour": "red"}', "colour"),
        ('{"path": "first.mp4", "theme": "nowhere"}', "nowhere"),
        ('{"path": "first.mp4", "prompt": ""}', "prompt"),
        ("", "blank"),
        ('{"path": "first.mp4", "path": "second.mp4"}', "twice"),
        ('{"path": "first.mp4", "prompt": "  "}', "prompt"),
        ('{"path": "first.mp4", "prompt": "\\ud800 alone"}', "surrogate"),
    ],
)
def test_a_bad_line_is_named_and_nothing_starts(clips, tmp_path, line, named):
    shutil.copy(clips["first"].path, tmp_path / "first.mp4")
    listing = tmp_path / "sources.jsonl"
    listing.write_text(f'{{"path": "first.mp4"}}\n{line}\n{{"path": "first.mp4"}}\n')
    result = generate(listing, tmp_path / "run")
    assert result.returncode == 2
    assert f"{listing}:2" in result.stderr
    assert named in result.stderr
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["gone.mp4", "x" * 300 + ".mp4", "nul\\u0000.mp4", "folder.mp4"])
def test_a_source_that_cannot_be_read_is_named_and_the_rest_goes_on(tmp_path, name):
    (tmp_path / "text.mp4").write_text("no video: it ends at the first step")
    (tmp_path / "folder.mp4").mkdir()
    listing = tmp_path / "sources.jsonl"
    listing.write_text(f'{{"path": "{name}"}}\n{{"path": "text.mp4"}}\n')
    result = generate(listing, tmp_path / "run")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    first, second = said["failures"]
    assert first.startswith(str(tmp_path / name[:3]))
    assert "text.mp4" in second
    assert said["funnel"]["candidates"] == 1


def test_a_sharded_run_wants_every_source(clips, tmp_path):
    shutil.copy(clips["first"].path, tmp_path / "first.mp4")
    listing = tmp_path / "sources.jsonl"
    listing.write_text('{"path": "gone.mp4"}\n{"path": "first.mp4"}\n')
    result = generate(listing, tmp_path / "run", "--shard", "0/2")
    assert result.returncode == 2
    assert "gone.mp4" in result.stderr
    assert "off every shard's list" in result.stderr


def test_nothing_that_can_be_read_is_said(tmp_path):
    listing = tmp_path / "sources.jsonl"
    listing.write_text('{"path": "gone.mp4"}\n{"path": "lost.mp4"}\n')
    result = generate(listing, tmp_path / "run")
    assert result.returncode == 2
    assert "no source can be read" in result.stderr
    assert "and 1 more" in result.stderr


def test_a_single_video_is_a_source(clips):
    path = clips["first"].path
    assert [item.path for item in list_sources(path, ["time"], None)] == [path]


def test_a_list_carries_themes_and_prompts(clips, tmp_path):
    shutil.copy(clips["first"].path, tmp_path / "first.mp4")
    listing = tmp_path / "sources.jsonl"
    listing.write_text(
        '{"path": "first.mp4", "theme": "openve3m", "prompt": "Put a beach behind.", '
        '"licence": "CC-BY-4.0"}\n{"path": "first.mp4"}\n'
    )
    listed = list_sources(listing, ["time"], None)
    assert [(item.theme, item.prompt, item.licence) for item in listed] == [
        ("openve3m", "Put a beach behind.", "CC-BY-4.0"),
        ("time", None, None),
    ]
    with pytest.raises(SourceListError, match="no taxonomy"):
        list_sources(listing, ["openve3m"], None)


def test_a_folder_that_holds_something_else_is_refused(clips, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work")
    result = generate(clips["first"].path.parent, other)
    assert result.returncode == 2
    assert "do not belong to a run" in result.stderr
    assert "thesis.tex" in result.stderr
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]


def test_a_folder_without_videos_is_said(tmp_path):
    with pytest.raises(SourceListError, match="no sources"):
        list_sources(tmp_path, ["location"], None)
    with pytest.raises(SourceListError, match="no such source list"):
        list_sources(tmp_path / "nowhere", ["location"], None)


def test_a_folder_gives_its_videos_and_says_what_else_it_holds(tmp_path):
    videos = ("a.mp4", "b/camera.MTS", "b/disc.VOB", "c.ts", "d.wmv", "e.3gp", "f.mxf", "g.Ogv", "h.mpg")
    others = ("notes.txt", "b/more.TXT", "README", ".hidden.mp4", ".stock/x.mp4", ".stock/y.mp4")
    junk = ("._a.mp4", ".DS_Store", "@eaDir/a.mp4", ".Trashes/deleted.mp4", "$RECYCLE.BIN/x.mp4")
    for name in (*videos, *others, *junk):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "linked.mp4").symlink_to(tmp_path / "a.mp4")
    (tmp_path / "lost.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder").symlink_to(tmp_path / "b")
    os.mkfifo(tmp_path / "pipe.mp4")
    said = []
    listed = list_sources(tmp_path, ["location"], None, say=said.append)
    found = [item.path.relative_to(tmp_path).as_posix() for item in listed]
    assert found == sorted((*videos, "linked.mp4"))
    [line] = said
    assert line.partition("no sources: ")[2].split(", ") == [
        ".txt (2)",
        "hidden files (1)",
        "hidden folders (1)",
        "links to folders (1)",
        "links to nothing (1)",
        "no plain files (1)",
        "without a suffix (1)",
    ]


CONTAINERS = {
    ".mp4": ("mp4", "mpeg4"), ".mov": ("mov", "mpeg4"), ".3gp": ("3gp", "mpeg4"),
    ".mkv": ("matroska", "mpeg4"), ".avi": ("avi", "mpeg4"), ".ts": ("mpegts", "mpeg2video"),
    ".MTS": ("mpegts", "libx264"),
    ".m2ts": ("mpegts", "mpeg2video"), ".mpg": ("mpeg", "mpeg2video"),
    ".VOB": ("vob", "mpeg2video"),
    ".m2v": ("mpeg2video", "mpeg2video"), ".wmv": ("asf", "wmv2"), ".flv": ("flv", "flv"),
    ".mxf": ("mxf", "mpeg2video"), ".gxf": ("gxf", "mpeg2video"), ".dv": ("dv", "dvvideo"),
    ".nut": ("nut", "mpeg4"), ".rm": ("rm", "rv20"), ".wtv": ("wtv", "mpeg2video"),
    ".y4m": ("yuv4mpegpipe", "wrapped_avframe"), ".mjpg": ("mjpeg", "mjpeg"), ".h264": ("h264", "libx264"),
}  # fmt: skip


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_videos_of_every_container_are_sources_that_can_be_read(tmp_path, suffix):
    form, codec = CONTAINERS[suffix]
    path = tmp_path / f"clip{suffix}"
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height = 720, 576
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        for level in range(0, 240, 40):
            image = np.full((576, 720, 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    assert [item.path for item in list_sources(tmp_path, ["location"], None)] == [path]
    assert inspect_source(path, "0" * 64).frames == 6


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path):
    (tmp_path / "a.mp4").touch()
    (tmp_path / "closed").mkdir(0o000)
    if os.access(tmp_path / "closed", os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(PermissionError):
        list_sources(tmp_path, ["location"], None)


def test_shards_refuse_a_list_that_changed(tmp_path):
    def listed(*names):
        return [(name * 64, ListedSource(str(tmp_path / "x.mp4"), "location", None)) for name in names]

    first = new_candidates([], listed("a", "b", "c"), (0, 2))
    assert [candidate.source[0] for candidate in first] == ["a", "c"]
    assert new_candidates(first, listed("a", "b", "c"), (0, 2)) == []
    with pytest.raises(SourceListError, match="changed since"):
        new_candidates(first, listed("d", "a", "b", "c"), (0, 2))


@pytest.mark.parametrize("shard", [(0, 1), (1, 2)])
def test_runs_can_be_numbered_apart(tmp_path, shard):
    listed = [
        (name * 64, ListedSource(str(tmp_path), theme, "x"))
        for name in "ab"
        for theme in ("location", "time")
    ]
    first = new_candidates([], listed, shard, 1000)
    assert {int(candidate.id[-6:]) for candidate in first} == {1000, 1001}
    again = new_candidates(first, listed, shard, 1000)
    assert again == []
    if shard == (0, 1):  # more clips go on from where the run is, with or without an offset
        more = [*listed, ("c" * 64, ListedSource(str(tmp_path), "time", "x"))]
        for offset in (0, 1000):
            assert [c.id for c in new_candidates(first, more, shard, offset)] == ["Sparkle_time_001002"]
    else:
        with pytest.raises(SourceListError, match="changed since") as caught:
            new_candidates(first, listed, shard)
        assert "--id-offset" in (caught.value.wanted or "")


def test_a_source_has_one_licence(tmp_path):
    def listed(*names):
        return [("a" * 64, ListedSource(str(tmp_path / "x.mp4"), "location", None, name)) for name in names]

    assert licences({}, listed(None, "CC-BY-4.0")) == {"a" * 64: "CC-BY-4.0"}
    assert licences({}, listed(None)) == {"a" * 64: None}
    with pytest.raises(SourceListError, match="two licences"):
        licences({}, listed("CC-BY-4.0", "CC0-1.0"))
    known = {"a" * 64: SourceRecord("a" * 64, "x.mp4", 1)}
    with pytest.raises(SourceListError, match="two licences"):
        licences(known, listed("CC0-1.0"))


def test_an_id_is_never_given_twice(tmp_path):

    known = [Candidate("Sparkle_location_000007", "a" * 64, "location")]
    listed = [(name * 64, ListedSource(str(tmp_path), "location", None)) for name in ("b", "a", "b", "c")]
    new = new_candidates(known, listed, (0, 1))
    assert [candidate.id for candidate in new] == ["Sparkle_location_000008", "Sparkle_location_000009"]
    assert [candidate.source[0] for candidate in new] == ["b", "c"]


CAPABILITIES = "".join(
    f'[backends.{name}]\nname = "classical"\n'
    for name in (
        "flow",
        "vlm",
        "image_editor",
        "image_scorer",
        "image_to_video",
        "tracker",
        "control_to_video",
    )
)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('name = "x"\nsed = 1\n' + CAPABILITIES, "sed"),
        ('name = "x"\nseed = "1"\n' + CAPABILITIES, "seed"),
        ('name = "x"\n' + CAPABILITIES + "[thresholds]\nedited_vidoe = 8.0\n", "edited_vidoe"),
        ('name = "x"\n' + CAPABILITIES + "[thresholds]\nedited_video = nan\n", "edited_video"),
        ('name = "x"\n' + CAPABILITIES + '[encoding]\npreset = "bogus"\n', "bogus"),
        ('name = "x"\n' + CAPABILITIES + "[encoding]\ncrf = 999\n", "999"),
        ('name = "x"\n' + CAPABILITIES + "[source]\nfps = 0\n", "fps = 0"),
        ('name = "x"\n' + CAPABILITIES + "[source]\nmax_frames = 80\n", "80"),
        ('name = "x"\n' + CAPABILITIES + "[source]\nmin_frames = 9\nmax_frames = 5\n", "min_frames = 9"),
        ('name = "x"\n' + CAPABILITIES + '[guidance]\nscope = "background"\n', "background"),
        ('name = "x"\n' + CAPABILITIES + '[backends.oracle]\nname = "x"\n', "oracle"),
        ('name = "x"\n', "missing"),
        ("name = \n", "not TOML"),
    ],
)
def test_a_bad_configuration_is_named(text, named):
    with pytest.raises(ConfigError) as caught:
        parse_config(text, where="my.toml")
    assert named in str(caught.value)
    assert "my.toml" in str(caught.value)


def test_an_unknown_backend_or_option_is_named(clips, tmp_path):
    config = tmp_path / "my.toml"
    config.write_text('name = "x"\n' + CAPABILITIES.replace('"classical"', '"oracle"', 1))
    result = generate(clips["first"].path.parent, tmp_path / "run", "--config", config)
    assert result.returncode == 2
    assert "no such backend" in result.stderr
    assert "my.toml:3 backends.flow.name" in result.stderr
    assert "classical" in result.stderr


def test_usage_errors_exit_with_2(tmp_path):
    assert generate(tmp_path, tmp_path / "run", "--shard", "2/2").returncode == 2
    assert generate(tmp_path, tmp_path / "run", "--theme", "nowhere").returncode == 2


@pytest.mark.slow
def test_a_source_that_is_gone_fails_by_its_name_and_one_that_moved_does_not(clips, tmp_path):
    folder, run = tmp_path / "sources", tmp_path / "run"
    folder.mkdir()
    for name in ("first", "second"):  # five frames are enough to get past normalise
        encode(decode(clips[name].path)[:5], folder / f"{name}.mp4")
    assert generate(folder, run, "--workers", 1).returncode == 0
    shutil.rmtree(run / "outcomes")
    (folder / "first.mp4").unlink()
    (folder / "second.mp4").rename(folder / "moved.mp4")
    assert generate(folder, run, "--workers", 1).returncode == 0
    gone, moved = map(json.loads, (run / layout.outcomes("normalise")).read_text().splitlines())
    assert gone["status"] == "failed"
    assert "gone or has changed" in gone["error"]["problem"]
    assert gone["error"]["where"].endswith("first.mp4")
    assert moved["status"] == "kept"
    encode(decode(clips["first"].path)[:5], folder / "first.mp4")  # it is back: the same bytes
    assert generate(folder, run, "--workers", 1).returncode == 0
    back, _ = map(json.loads, (run / layout.outcomes("normalise")).read_text().splitlines())
    assert back["status"] == "kept"


@pytest.mark.parametrize("place", ["inside", "same", "around"])
def test_sources_and_run_stand_apart(clips, tmp_path, place):
    sources = tmp_path / "sources"
    sources.mkdir()
    shutil.copy(clips["first"].path, sources / "first.mp4")
    out = {"inside": sources / "run", "same": sources, "around": tmp_path}[place]
    result = generate(sources, out)
    assert result.returncode == 2
    assert "inside one another" in result.stderr
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["first.mp4", "sources"]


def test_an_out_folder_that_cannot_be_made_is_an_error_not_a_traceback(clips, tmp_path):
    (tmp_path / "file").write_text("in the way")
    result = generate(clips["first"].path.parent, tmp_path / "file" / "run")
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert "file" in result.stderr


def test_a_file_name_that_is_not_utf_8_is_refused(clips, tmp_path):
    folder = tmp_path / "sources"
    folder.mkdir()
    shutil.copy(clips["first"].path, os.fsencode(folder) + b"/caf\xe9.mp4")
    result = generate(folder, tmp_path / "run")
    assert result.returncode == 2
    assert "not UTF-8" in result.stderr
    assert not (tmp_path / "run").exists()


def test_two_caches_of_one_user_do_not_wait_for_each_other(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    with closing(HashCache()) as first:
        assert first.sha256(tmp_path / "file") == sha256_file(tmp_path / "file")
        with closing(HashCache()) as second:
            second.remember({tmp_path / "file": "0" * 64})
            assert second.find(tmp_path / "file") == "0" * 64
        with closing(HashCache()) as third:
            assert third.find(tmp_path / "file") == "0" * 64


def test_a_cache_that_cannot_be_used_costs_a_hash_pass_only(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path))
    (tmp_path / "hashes.sqlite").write_bytes(b"this is no database, it is text" * 100)
    (tmp_path / "file").write_bytes(b"content")
    with closing(HashCache()) as cache:
        assert cache.sha256(tmp_path / "file") == sha256_file(tmp_path / "file")


def test_a_reason_in_brackets_is_printed_as_it_is(capsys):
    Terminal().table("Funnel", ["step", "why"], [["track", "1 x failed: [/no] such [thing]"]])
    assert "[/no] such [thing]" in capsys.readouterr().out
