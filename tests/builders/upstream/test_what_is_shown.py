"""Videos whose headers do not say what is shown: tables, checks, exports and loaders agree on what is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import odd_videos, upstream_folder, videos
from sparkle.builders.checks.release import CheckOptions, check_release
from sparkle.builders.training.export import export_pairs
from sparkle.builders.training.kiwi import UnifiedDataset
from sparkle.builders.upstream.import_ import ImportSummary, import_upstream
from sparkle.schemas import layout
from sparkle.schemas.errors import MediaError
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO
from sparkle.schemas.validate import Finding

pytestmark = pytest.mark.slow

EDITED, DIFFERENT, TURNED, WEBM = upstream_folder.ids_of("location")
FRAGMENTS, PROXY = upstream_folder.ids_of("openve3m")
WIDTH, HEIGHT = 64, 48
SHOWN = {
    EDITED: (29, WIDTH, HEIGHT),
    DIFFERENT: (33, WIDTH, HEIGHT),
    TURNED: (33, HEIGHT, WIDTH),
    WEBM: (33, WIDTH, HEIGHT),
    FRAGMENTS: (33, WIDTH, HEIGHT),
    PROXY: (33, WIDTH, HEIGHT),
}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Source and edited video of each sample."""
    folder = tmp_path_factory.mktemp("videos")
    hidden, _ = odd_videos.hidden_by_an_edit_list(folder)
    plain, _ = odd_videos.with_reordered_frames(folder)
    turned = odd_videos.numbered(folder / "turned.mp4", orientation=(90, False, False))
    webm = odd_videos.numbered(folder / "clip.webm", codec="libvpx-vp9", options={})
    fragments, _ = odd_videos.in_fragments(folder)
    proxy, _ = odd_videos.with_a_proxy_before(folder)
    return {
        EDITED: (hidden, hidden),
        DIFFERENT: (plain, hidden),
        TURNED: (turned, turned),
        WEBM: (webm, webm),
        FRAGMENTS: (fragments, fragments),
        PROXY: (proxy, proxy),
    }


@pytest.fixture(scope="module")
def imported(
    media: Path, pairs: dict[str, tuple[Path, Path]], tmp_path_factory: pytest.TempPathFactory
) -> ImportSummary:
    folder = tmp_path_factory.mktemp("shown")
    shutil.copytree(media, folder / "media")
    for sample_id, pair in pairs.items():
        for kind, video in zip((SOURCE_VIDEO, EDITED_VIDEO), pair, strict=True):
            shutil.copyfile(video, folder / "media" / kind.path(sample_id))
    upstream_folder.write_folder(folder / "upstream", folder / "media")
    return import_upstream(folder / "upstream", folder / "release")


def of_pairs(findings: tuple[Finding, ...]) -> set[tuple[str, str, str | None]]:
    """Sample, problem and what was found, of the videos of pairs; the masks are of other videos."""
    found = set()
    for finding in findings:
        place = finding.pointer or finding.file
        if f"/{SOURCE_VIDEO.name}/" in place or f"/{EDITED_VIDEO.name}/" in place:
            found.add((Path(place).stem, finding.problem, finding.got))
    return found


WRONG = {
    (DIFFERENT, "does not fit its source video", f"29 frames of {WIDTH}x{HEIGHT}"),
    (WEBM, "not an mp4", "it is WebM"),
}


def test_tables_say_what_is_shown(imported: ImportSummary) -> None:
    rows = [row for theme in upstream_folder.THEMES for row in upstream_folder.rows_of(imported.out, theme)]
    assert {row["task"]: (row["frames"], row["width"], row["height"]) for row in rows} == SHOWN
    assert of_pairs(imported.findings) == WRONG


def test_decoding_agrees_with_the_tables(imported: ImportSummary) -> None:
    report = check_release(imported.out, options=CheckOptions(media="all"))
    assert of_pairs(report.findings) == WRONG


def test_a_row_that_says_something_else_is_found_by_decoding(imported: ImportSummary, tmp_path: Path) -> None:
    release = Path(shutil.copytree(imported.out, tmp_path / "release"))
    path = release / layout.data_parquet("location", 0, 1)
    table = pq.read_table(path)
    place = table.schema.get_field_index("frames")
    field = table.schema.field(place)
    wrong = pa.array([33, *table["frames"].to_pylist()[1:]], field.type)
    pq.write_table(table.set_column(place, field, wrong), path)
    options = CheckOptions(contents=False, files=False, media="all")
    found = of_pairs(check_release(release, options=options).findings)
    assert (EDITED, "not what the sample's row says", f"29 frames of {WIDTH}x{HEIGHT}") in found


def test_a_pair_of_different_shown_lengths_is_not_exported(imported: ImportSummary, tmp_path: Path) -> None:
    summary = export_pairs(imported.out, "kiwi", tmp_path / "kiwi")
    ((left_out, problem),) = [(pair.id, pair.problem) for pair in summary.left_out]
    assert left_out == DIFFERENT
    assert problem == "the videos differ: 33 frames of 64x48 and 29 frames of 64x48"


def test_the_loader_gives_what_is_shown(imported: ImportSummary) -> None:
    torch = pytest.importorskip("torch")
    from sparkle.builders.training.dataset import PairDataset
    from sparkle.builders.training.item import Clip

    pairs = PairDataset(imported.out, list(upstream_folder.THEMES), clip=Clip(multiple_of=2))
    assert len(pairs) == len(SHOWN)
    for row, (sample_id, (frames, width, height)) in enumerate(SHOWN.items()):
        if sample_id == DIFFERENT:
            with pytest.raises(MediaError, match="differ in length"):
                pairs[row]
        else:
            item = pairs[row]
            assert item["id"] == sample_id
            assert item["source_video"].shape == (frames, height, width, 3)
            assert torch.equal(item["source_video"], item["edited_video"])


@pytest.mark.parametrize("name", [*odd_videos.MP4, "avi_of_mpeg4", "avi_of_h264", "mkv_from_an_open_group"])
def test_the_kiwi_drop_in_gives_what_is_shown(tmp_path: Path, name: str) -> None:
    pytest.importorskip("torch")
    path, shown = odd_videos.EVERY[name](tmp_path)
    operator = UnifiedDataset.default_video_operator(
        str(tmp_path), height_division_factor=16, width_division_factor=16, num_frames=81
    )
    length = (len(shown) - 1) // 4 * 4 + 1
    assert [videos.index_of(np.asarray(frame)) for frame in operator(path.name)] == shown[:length]
