"""Every path that the layout makes is parsed as what it is, and anything else as nothing of it."""

from __future__ import annotations

import pytest

from sparkle.schemas import layout
from sparkle.schemas.ids import THEMES, format_id
from sparkle.schemas.layout import KINDS, Located, What, parse


@pytest.mark.parametrize("theme", THEMES)
def test_what_is_made_is_parsed(theme: str) -> None:
    sample_id = format_id(theme, 1_234_567)
    assert parse(layout.data_parquet(theme, 1, 2)) == Located(What.PAIRS, theme, part=1)
    assert parse(layout.records_parquet(theme)) == Located(What.RECORDS, theme)
    assert parse(layout.webdataset_shard(theme, 12)) == Located(What.PAIRED, theme, part=12)
    assert parse(layout.strip(theme)) == Located(What.ASSET, theme)
    assert {parse(path) for path in layout.text_files(theme)} == {Located(What.TEXT, theme)}
    for kind in KINDS:
        assert parse(kind.shard(theme, 123)) == Located(What.TAR, theme, kind, 123)
        assert parse(kind.path(sample_id)) == Located(What.FILE, theme, kind)
        assert parse(kind.member(sample_id)) == Located(What.FILE, theme, kind)


@pytest.mark.parametrize(
    ("path", "located"),
    [
        ("README.md", Located(What.PAGE)),
        ("README.txt", Located(What.OTHER)),
        ("assets/more/funnel.png", Located(What.OTHER)),
        ("assets/release.py", Located(What.OTHER)),
        (layout.plot("funnel.png"), Located(What.ASSET)),
        ("data/time/part.parquet", Located(What.PAIRS, "time")),
        ("data/time/part.json", Located(What.OTHER, "time")),
        ("data/times/train-00000-of-00001.parquet", Located(What.OTHER)),
        ("data/time/more/train-00000-of-00001.parquet", Located(What.OTHER, "time")),
        ("records/time.csv", Located(What.OTHER, "time")),
        ("time_source_video_part007.tar", Located(What.OTHER, "time")),
        ("time_source_video_part٣٤.tar", Located(What.OTHER, "time")),
        ("time_source_video_mask_part00.tar", Located(What.OTHER, "time")),
        ("intermediate_data/time_source_video_part00.tar", Located(What.OTHER, "time")),
        ("time/source_video/Sparkle_style_000001.mp4", Located(What.OTHER, "time")),
        ("time/source_video/Sparkle_time_1.mp4", Located(What.OTHER, "time")),
        ("time/source_video/Sparkle_time_000001.png", Located(What.OTHER, "time")),
        ("webdataset/time-1.tar", Located(What.OTHER, "time")),
        ("../time/source_video/Sparkle_time_000001.mp4", Located(What.OTHER)),
        ("", Located(What.OTHER)),
    ],
)
def test_what_is_not_of_the_layout_is_nothing_of_it(path: str, located: Located) -> None:
    assert parse(path) == located


def test_tables_of_a_theme_are_in_order() -> None:
    paths = [layout.data_parquet("time", 1, 2), "data/style/x.parquet", layout.data_parquet("time", 0, 2)]
    assert layout.tables_of("time", paths) == [paths[2], paths[0]]
