"""Exports of pairs of which some are not in order, and folders that did not end or share files."""

from __future__ import annotations

import signal
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

import sparkle
from harness.exports import read_back, spoil
from sparkle.builders.training.export import ExportChoice, export_pairs
from sparkle.builders.training.videos import WRITTEN
from sparkle.commands.export import export as command
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.layout import EDITED_VIDEO

LOCATION = [f"Sparkle_location_{index:06d}" for index in (0, 3, 6, 9, 12, 15)]
OPENVE3M = [f"Sparkle_openve3m_{index:06d}" for index in (0, 3, 6)]

# --- pairs that are not in order, and how many there are --------------------------------------


def test_a_mix_weights_the_pairs_that_are_in_order(release: Path, tmp_path: Path) -> None:
    for sample_id in LOCATION[2:5]:
        spoil(release, sample_id)
    choice = ExportChoice(mix={"location": Fraction(1), "openve3m": Fraction(1)})
    summary = export_pairs(release, "kiwi", tmp_path / "out", choice)
    assert len(summary.left_out) == 3
    assert summary.rows == {"location": 3, "openve3m": 3}


@pytest.mark.parametrize("mix", [None, {"location": Fraction(1), "openve3m": Fraction(1)}])
def test_with_a_limit_the_next_pair_takes_the_place_of_a_bad_one(
    release: Path, tmp_path: Path, mix: dict[str, Fraction] | None
) -> None:
    for sample_id in LOCATION[2:5]:
        spoil(release, sample_id)
    summary = export_pairs(release, "kiwi", tmp_path / "out", ExportChoice(mix=mix, limit=5))
    assert sum(summary.rows.values()) == 5
    assert len(read_back("kiwi", tmp_path / "out")) == 5
    if mix is not None:
        assert set(summary.rows.values()) == {2, 3}


def test_a_theme_that_gets_no_row_of_a_small_limit_is_no_error(shared_release: Path, tmp_path: Path) -> None:
    choice = ExportChoice(mix={"location": Fraction(9), "openve3m": Fraction(1)}, limit=2)
    summary = export_pairs(shared_release, "kiwi", tmp_path / "out", choice)
    assert summary.rows == {"location": 2}


def test_a_theme_without_pairs_is_named_with_the_mix_that_is_left(release: Path, tmp_path: Path) -> None:
    mix = {"location": Fraction(2), "openve3m": Fraction(1)}
    with pytest.raises(ReleaseError, match="themes that are not there") as failed:
        export_pairs(release, "kiwi", tmp_path / "out", ExportChoice(mix={**mix, "style": Fraction(1)}))
    assert failed.value.got == "style"
    assert failed.value.fix == "leave them out: --mix location=2,openve3m=1"
    with pytest.raises(ReleaseError, match="no pair of openve3m passes") as failed:
        export_pairs(
            release, "kiwi", tmp_path / "out", ExportChoice(mix=mix, min_scores={"edited_video": 9.1})
        )
    assert failed.value.fix == "leave them out: --mix location=2, or ask for less"


def test_a_theme_of_bad_pairs_alone_is_named(release: Path, tmp_path: Path) -> None:
    for sample_id in OPENVE3M:
        spoil(release, sample_id)
    choice = ExportChoice(mix={"location": Fraction(2), "openve3m": Fraction(1)})
    with pytest.raises(ReleaseError, match="no pair of openve3m can be exported") as failed:
        export_pairs(release, "kiwi", tmp_path / "out", choice)
    assert OPENVE3M[0] in str(failed.value.got)
    assert failed.value.fix == "leave them out: --mix location=2"


# --- links, copies, halves --------------------------------------------------------------------


def test_a_link_is_named_and_a_copy_is_apart(release: Path, tmp_path: Path) -> None:
    words = [str(release), "--to", "kiwi", "--out", str(tmp_path / "out"), "--theme", "location"]
    linked = CliRunner().invoke(command, words)
    assert "4 files of these are the release's own" in linked.output
    copied = CliRunner().invoke(command, [*words, "--copy"])
    assert "the release's own" not in copied.output
    assert "8 already there, 4 written" in copied.output
    path = EDITED_VIDEO.path(LOCATION[0])
    before = (release / path).read_bytes()
    (tmp_path / "out" / path).write_bytes(b"overwritten in place")
    assert (release / path).read_bytes() == before
    assert export_pairs(release, "kiwi", tmp_path / "new", ExportChoice(copy=True)).how == {WRITTEN: 18}


def kill_before_tables(release: Path, out: Path) -> None:
    code = f"""
import os, pathlib, signal
from sparkle.builders.training import export
def stop(*args):
    os.kill(os.getpid(), signal.SIGKILL)
export.times_listed = stop
export.export_pairs({str(release)!r}, "kiwi", pathlib.Path({str(out)!r}))
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL


def test_a_half_written_export_is_told_as_one(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    kill_before_tables(release, out)
    for read in (sparkle.open_pairs, sparkle.validate):
        with pytest.raises(ReleaseError, match="an export for a trainer that did not end") as failed:
            read(out)
        assert f"sparkle export {release} --to kiwi --out {out}" in str(failed.value.fix)
    said: list[str] = []
    export_pairs(release, "kiwi", out, say=said.append)
    assert f"{out} is an export that did not end: going on" in said
    with pytest.raises(ReleaseError, match="an export for a trainer, not a release"):
        sparkle.open_pairs(out)


def test_tables_go_before_a_video_becomes_another(release: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    export_pairs(release, "kiwi", out)
    spoiled = out / EDITED_VIDEO.path(OPENVE3M[2])
    spoiled.write_bytes(spoiled.read_bytes()[:-1] + b"?")
    kill_before_tables(release, out)
    assert not list(out.glob("metadata.*"))
    export_pairs(release, "kiwi", out)
    assert len(list(out.glob("metadata.*"))) == 1
