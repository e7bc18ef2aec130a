from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.assign import END_BYTES, assign, member_bytes, parse_size
from sparkle.schemas.errors import ConfigError

sizes = st.lists(st.integers(0, 5000)).map(
    lambda found: [(f"id{k:04d}", size) for k, size in enumerate(found)]
)


@given(sizes, st.integers(1, 20_000))
def test_parts_hold_every_id_once_in_order_and_fit(found: list[tuple[str, int]], cap: int) -> None:
    parts = assign(found, cap)
    assert [sample_id for part in parts for sample_id in part] == [sample_id for sample_id, _ in found]
    weight = dict(found)
    for part in parts:
        assert part
        assert len(part) == 1 or END_BYTES + sum(member_bytes(weight[name]) for name in part) <= cap


@given(sizes, st.integers(1, 20_000))
def test_a_part_is_closed_only_when_the_next_member_does_not_fit(
    found: list[tuple[str, int]], cap: int
) -> None:
    weight = dict(found)
    parts = assign(found, cap)
    for part, after in pairwise(parts):
        together = END_BYTES + sum(member_bytes(weight[name]) for name in (*part, after[0]))
        assert together > cap


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5_000_000_000), ("500MB", 500_000_000), ("10kB", 10_000), ("12 B", 12), ("7", 7)],
)
def test_sizes_are_decimal(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "5XB", "-1", "0", "0GB", "1.5GB", "5 GB more", "1e9"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size"):
        parse_size(text)
