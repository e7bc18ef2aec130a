"""A bench is apart from what is trained on, by id and by source."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.scenes import write_scene
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError

TRAINED = "Sparkle_openve3m_000003"


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A bench of two samples of season, in upstream's layout."""
    videos = tmp_path / "bench/source_videos/season"
    videos.mkdir(parents=True)
    lines = []
    for number in (1, 2):
        sample_id = f"Sparkle_season_{number:06d}"
        write_scene(videos / f"{sample_id}.mp4", number)
        metadata = {"edit_type": "season", "chosen_keyword": "winter: snow", "original_scene": "A room."}
        lines.append(json.dumps({"id": sample_id, "prompt": "p", "metadata": metadata}) + "\n")
    (tmp_path / "bench/season_metadata.jsonl").write_text("".join(lines))
    return tmp_path / "bench"


def found(release: Path, bench: Path) -> list[tuple[str, int, str | None]]:
    findings = check_release(release, options=CheckOptions(bench=bench)).findings
    return [(Path(finding.file).name, finding.line, finding.got) for finding in findings]


def test_a_bench_of_its_own_has_no_findings(whole_release: Path, bench: Path) -> None:
    assert found(whole_release, bench) == []


def test_a_source_of_any_theme_that_was_trained_on_is_found(whole_release: Path, bench: Path) -> None:
    target = bench / "source_videos/season/Sparkle_season_000002.mp4"
    shutil.copyfile(whole_release / layout.SOURCE_VIDEO.path(TRAINED), target)
    assert found(whole_release, bench) == [(target.name, 0, TRAINED)]


def test_an_id_that_was_trained_on_is_found(whole_release: Path, bench: Path) -> None:
    line = (bench / "season_metadata.jsonl").read_text().splitlines()[0].replace("season", "location")
    (bench / "location_metadata.jsonl").write_text(f"{line.replace('000001', '000003')}\n{{}}\n")
    findings = found(whole_release, bench)
    assert findings[0] == ("location_metadata.jsonl", 1, "Sparkle_location_000003")
    assert {line for _, line, _ in findings[1:]} == {2}


def test_a_source_that_cannot_be_read_is_found(whole_release: Path, bench: Path) -> None:
    (bench / "source_videos/season/Sparkle_season_000002.mp4").write_bytes(b"no video")
    assert [name for name, _, _ in found(whole_release, bench)] == ["Sparkle_season_000002.mp4"]


def test_a_folder_that_is_no_bench_is_refused(whole_release: Path, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="not a bench"):
        check_release(whole_release, options=CheckOptions(bench=tmp_path))
