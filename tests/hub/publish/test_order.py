"""Which files become visible in which commit, and what counts as a release's own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.release.manifest import FileEntry
from sparkle.hub.publish.plan import batches, is_data, is_ours, sending_order
from sparkle.schemas import layout

_DATA = st.one_of(
    st.integers(0, 99).map(lambda part: layout.SOURCE_VIDEO.shard("location", part)),
    st.integers(0, 99).map(lambda index: layout.SOURCE_VIDEO_MASK.path(f"Sparkle_style_{index:06d}")),
)
_TEXT = st.sampled_from(
    [layout.CARD, layout.MANIFEST, layout.prompts_csv("location"), layout.data_parquet("location", 0, 1)]
)
_PATHS = st.lists(st.one_of(_DATA, _TEXT), unique=True, max_size=60)


@given(_PATHS, st.integers(1, 20), st.data())
def test_nothing_is_lost_and_nothing_named_comes_early(
    paths: list[str], limit: int, data: st.DataObject
) -> None:
    entries = [FileEntry(path, 1, "0" * 64) for path in paths]
    cut = data.draw(st.integers(0, len(entries)))
    new, replaced = entries[:cut], entries[cut:]
    deletes = data.draw(st.lists(st.integers(0, 9).map(str), unique=True, max_size=5))
    made = batches(new, replaced, deletes, limit)

    put = [entry.path for batch in made for entry in batch.puts]
    assert sorted(put) == sorted(paths)
    assert len(put) == len(set(put))
    for batch in made[:-1]:
        assert 0 < len(batch.puts) <= limit
        assert not batch.deletes
        assert all(is_data(entry.path) and entry in new for entry in batch.puts)
    if made:
        assert list(made[-1].deletes) == sorted(deletes)
        must = sum(not is_data(entry.path) for entry in new) + len(replaced) + len(deletes)
        assert len(made[-1].puts) + len(made[-1].deletes) <= max(limit, must)
    assert bool(made) == bool(paths or deletes)
    assert len(batches(new, replaced, deletes, None)) == min(1, len(paths) + len(deletes))


@given(_PATHS)
def test_shards_are_sent_first_and_what_readers_go_by_last(paths: list[str]) -> None:
    order = [entry.path for entry in sending_order([FileEntry(path, 1, "0" * 64) for path in paths])]
    kinds = ["shard" if path.endswith(".tar") else "sample" if is_data(path) else "text" for path in order]
    assert kinds == sorted(kinds, key=["shard", "sample", "text"].index)


@pytest.mark.parametrize(
    ("path", "ours"),
    [
        ("location_source_video_part00.tar", True),
        ("intermediate_data/time_source_video_mask_part12.tar", True),
        ("webdataset/style-000001.tar", True),
        ("location/source_video/Sparkle_location_000003.mp4", True),
        ("location_source_video_part0.tar", False),
        ("backup.tar", False),
        ("location/source_video/clip.mp4", False),
        ("style/source_video/Sparkle_location_000003.mp4", False),
        ("notes/Sparkle_location_000003.mp4", False),
        ("README.md", False),
    ],
)
def test_only_a_releases_own_paths_are_cleared_away(path: str, ours: bool) -> None:
    assert is_ours(path) is ours
