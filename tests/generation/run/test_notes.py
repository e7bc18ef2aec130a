"""What was done to a source's frames is in its record, in what `generate` says, and in its JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from harness import odd_videos, videos
from sparkle.commands.generate import generate
from sparkle.schemas import layout

pytestmark = pytest.mark.slow


def test_what_was_done_to_sources_is_told(tmp_path: Path) -> None:
    sources, run = tmp_path / "sources", tmp_path / "run"
    sources.mkdir()
    noise = np.random.Generator(np.random.PCG64(0)).integers(0, 255, (20, 96, 128, 3), np.uint8)
    videos.write_video(sources / "a.mp4", noise, options={"flags": "+ildct+ilme", "qp": "20"})
    videos.write_video(sources / "b.mp4", noise, options={"qp": "20"})
    late, _ = odd_videos.mkv_from_an_open_group(tmp_path)
    late.rename(sources / "c.mkv")
    command = ["--sources", str(sources), "--out", str(run)]
    said = CliRunner().invoke(generate, command)
    lines = map(json.loads, (run / layout.outcomes("normalise")).read_text().splitlines())
    notes = [line["record"].get("notes") for line in lines]
    interlaced = "interlaced: deinterlaced, one frame of two fields"
    passed_over = "pictures before the first that can be shown, left out: 2"
    assert notes == [[interlaced], None, [passed_over]]
    told = [
        f"Sparkle_location_000000 {sources / 'a.mp4'}: {interlaced}",
        f"Sparkle_location_000002 {sources / 'c.mkv'}: {passed_over}",
    ]
    text = "".join(said.output.split())  # lines are folded
    assert all("".join(f"note: {note}".split()) in text for note in told)
    again = CliRunner().invoke(generate, [*command, "--json"])
    assert json.loads(again.stdout)["notes"] == told
