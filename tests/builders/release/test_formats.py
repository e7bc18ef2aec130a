from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.building import text
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.replay import replay
from sparkle.builders.building.run import read_run
from sparkle.builders.building.text import text_of
from sparkle.builders.building.writer import write_text
from sparkle.builders.release import tables
from sparkle.builders.release.formats import csv_line, dump_records
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_line, plain
from sparkle.schemas.errors import RecordError
from sparkle.schemas.records import FrameScore

ID = "Sparkle_location_000003"
PROMPT = f"Put the square of {ID} on a rooftop."


def line_of(release: Path, file: str, sample_id: str = ID) -> str:
    lines = (release / file).read_text().splitlines()
    return next(line for line in lines if json.loads(line)["id"] == sample_id)


def test_the_csv_reads_back_and_keeps_strings_as_they_are(shared_release: Path) -> None:
    path = shared_release / "prompts/location_train.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "prompt": PROMPT,
        "src_video": f"location/source_video/{ID}.mp4",
        "tgt_video": f"location/edited_video/{ID}.mp4",
        "task": ID,
    }
    assert rows[2]["prompt"] == 'Say "hello",\nthen leave; é 世'
    assert b"\r" not in path.read_bytes()
    assert path.read_text().startswith("prompt,src_video,tgt_video,task\n")


def test_only_fields_that_need_quotes_have_them() -> None:
    assert csv_line(["plain words", 'a "b"', "c, d"]) == 'plain words,"a ""b""","c, d"\n'


def test_metadata_has_upstreams_keys_in_upstreams_order(shared_release: Path) -> None:
    line = line_of(shared_release, layout.metadata_jsonl("location"))
    assert line == (
        f'{{"id": "{ID}", "prompt": "{PROMPT}", "metadata": {{"edit_type": "location", '
        '"chosen_keyword": "urban: rooftop overlooking skyline", "original_scene": "A grey wall."}}'
    )


def test_openve3m_has_its_two_edit_types_and_no_keyword(shared_release: Path) -> None:
    sample_id = "Sparkle_openve3m_000003"
    metadata = json.loads(line_of(shared_release, layout.metadata_jsonl("openve3m"), sample_id))["metadata"]
    assert metadata == {"edit_type": "openve3m_background_change", "original_scene": "A grey wall."}
    for step in ("ground1", "ground2"):
        line = line_of(shared_release, layout.record_file("openve3m", step), sample_id)
        assert json.loads(line)["edit_type"] == "openve3m"


@pytest.mark.parametrize(
    ("step", "keys"),
    [
        ("edit_score", ["id", "prompt", "editscore"]),
        ("remove_score", ["id", "prompt", "editscore"]),
        ("video_score", ["id", "prompt", "frame_indices", "editscore"]),
        ("ground1", ["id", "prompt", "edit_type", "round1_labels", "round1_objects"]),
        ("ground2", ["id", "prompt", "edit_type", "round1_labels", "round1_objects", "frame_objects"]),
    ],
)
def test_records_have_upstreams_keys_in_upstreams_order(
    shared_release: Path, step: str, keys: list[str]
) -> None:
    value = json.loads(line_of(shared_release, layout.record_file("location", step)))
    assert list(value) == keys


def test_scores_have_upstreams_keys_in_upstreams_order(shared_release: Path) -> None:
    image = json.loads(line_of(shared_release, layout.record_file("location", "edit_score")))["editscore"]
    video = json.loads(line_of(shared_release, layout.record_file("location", "video_score")))["editscore"]
    assert list(image) == [
        "prompt_following", "consistency", "perceptual_quality", "overall", "SC_reasoning", "PQ_reasoning",
    ]  # fmt: skip
    assert list(video[0]) == [
        "SC_score", "PQ_score", "O_score", "SC_score_reasoning", "PQ_score_reasoning",
        "SC_raw_output", "PQ_raw_output",
    ]  # fmt: skip


def test_a_line_that_breaks_its_schema_is_not_published(run: Path, tmp_path: Path) -> None:
    path = run / layout.outcomes("ground1")
    path.write_text(path.read_text().replace("[250, 250, 600, 700]", "[250, 250, 600, 1001]", 1))
    with pytest.raises(RecordError, match="1001") as caught:
        build_release([run], tmp_path / "release", ReleaseOptions())
    place = f"{layout.record_file('location', 'ground1')} Sparkle_location_000000"
    assert caught.value.where == f"{place} /round1_objects/0/bbox_2d/3"
    assert not (tmp_path / "release").exists()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_prompt_reads_back(prompt: str) -> None:
    line = csv_line([prompt, "a", "b", "c"])
    assert list(csv.reader(io.StringIO(line, newline=""), strict=True)) == [[prompt, "a", "b", "c"]]


_TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
_SCORES = st.floats(0, 10) | st.sampled_from([0.0, 1e-4, 9.9e-5, 1e-5, 5e-324, 1e16, 1e22, 10.0])


@given(score=_SCORES, words=_TEXTS, indices=st.lists(st.integers(0, 2**40), max_size=4))
def test_lines_are_written_as_python_writes_them(score: float, words: str, indices: list[int]) -> None:
    frame = FrameScore(score, score, score, words, words, words, words)
    value = {"id": words, "frame_indices": tuple(indices), "editscore": (frame,), "none": []}
    values = {**value, "frame_indices": indices, "editscore": [plain(frame)]}
    assert dump_records(value) == dump_line(values)


def test_several_processes_write_the_same_bytes(
    shared_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    contents: Callable[[Path], dict[str, bytes]],
) -> None:
    samples = [sample for sample in replay(read_run(shared_run)).samples if sample.theme == "location"]
    alone = write_text(tmp_path / "alone", text_of("location", samples))
    monkeypatch.setattr(text, "MANY", 1)
    monkeypatch.setattr(tables, "RECORDS_GROUP", 2)  # as for 1,500 samples
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})
    together = write_text(tmp_path / "together", text_of("location", samples))
    assert together[:-1] == alone[:-1]
    found = contents(tmp_path / "together")
    assert {path: found[path] for path in found if "records" not in path} == {
        path: data for path, data in contents(tmp_path / "alone").items() if "records" not in path
    }
    written = [pq.read_table(tmp_path / way / "records/location.parquet") for way in ("alone", "together")]
    assert written[0].equals(written[1])
