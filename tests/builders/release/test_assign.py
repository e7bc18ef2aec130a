from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle._progress import parse_size
from sparkle.builders.release.assign import (
    END_BYTES,
    Part,
    assign,
    data_offsets,
    member_bytes,
    tar_bytes,
)
from sparkle.schemas.errors import ConfigError

caps = st.integers(1, 20_000)
# Samples of a release by id; releases of one sequence draw from the same few ids, so that some stay.
releases = st.dictionaries(st.integers(0, 40).map("id{:04d}".format), st.integers(0, 5000))


def revise(
    wanted: Mapping[str, int], cap: int, before: Sequence[Part] = (), next_number: int = 0
) -> list[Part]:
    return assign(sorted(wanted.items()), cap, {part.number: part.ids for part in before}, next_number)


def check_parts(parts: Sequence[Part], wanted: Mapping[str, int], cap: int) -> None:
    assert sorted(sample_id for part in parts for sample_id in part.ids) == sorted(wanted)
    assert [part.number for part in parts] == sorted({part.number for part in parts})
    for part in parts:
        assert part.ids
        assert list(part.ids) == sorted(part.ids)
        assert len(part.ids) == 1 or tar_bytes([wanted[name] for name in part.ids]) <= cap


@given(releases, caps)
def test_a_first_release_is_filled_in_order(wanted: dict[str, int], cap: int) -> None:
    parts = revise(wanted, cap)
    check_parts(parts, wanted, cap)
    assert [part.number for part in parts] == list(range(len(parts)))
    assert [sample_id for part in parts for sample_id in part.ids] == sorted(wanted)
    for part, after in pairwise(parts):  # a part is closed only when the next member does not fit
        assert tar_bytes([wanted[name] for name in (*part.ids, after.ids[0])]) > cap


@given(st.lists(releases, min_size=1, max_size=6), caps)
def test_any_sequence_of_revisions_keeps_what_it_can(found: list[dict[str, int]], cap: int) -> None:
    sizes: dict[str, int] = {}
    parts: list[Part] = []
    next_number = 0
    for release in found:
        # An id has one content for good: what comes back has the size that it had.
        wanted = {sample_id: sizes.setdefault(sample_id, size) for sample_id, size in release.items()}
        before, used = parts, next_number
        parts = revise(wanted, cap, before, used)
        check_parts(parts, wanted, cap)
        old = {part.number: part.ids for part in before}
        for part in parts:
            if part.number in old:  # what is kept stays in its part, and nothing joins it
                assert part.ids == tuple(name for name in old[part.number] if name in wanted)
            else:  # a number that no part ever had
                assert part.number >= used
        kept = {name for part in parts if part.number in old for name in part.ids}
        assert kept == {name for ids in old.values() for name in ids} & wanted.keys()
        next_number = max([used, *(part.number + 1 for part in parts)])
        assert revise(wanted, cap, parts, next_number) == parts


@given(releases, releases, caps, caps)
def test_members_that_grew_or_a_smaller_limit_stay_below_it(
    first: dict[str, int], second: dict[str, int], cap: int, other: int
) -> None:
    before = revise(first, cap)
    parts = revise(second, other, before, len(before))
    check_parts(parts, second, other)
    assert revise(second, other, parts, len(before) + len(parts)) == parts


def test_removing_one_changes_one_part_and_a_new_one_opens_a_part() -> None:
    wanted = {f"id{k}": 1000 for k in range(9)}
    before = revise(wanted, 5632)
    assert [part.ids for part in before] == [
        ("id0", "id1", "id2"),
        ("id3", "id4", "id5"),
        ("id6", "id7", "id8"),
    ]
    del wanted["id4"]
    wanted["id45"] = 10
    assert revise(wanted, 5632, before, 3) == [
        before[0],
        Part(1, ("id3", "id5")),
        before[2],
        Part(3, ("id45",)),
    ]


def test_the_number_of_a_part_that_is_gone_is_not_used_again() -> None:
    wanted = {f"id{k}": 1000 for k in range(4)}
    before = revise(wanted, 4096)
    assert [part.number for part in before] == [0, 1]
    without = revise({"id0": 1000}, 4096, before, 2)
    assert [part.number for part in without] == [0]
    assert [part.number for part in revise({"id0": 1000, "id9": 1}, 4096, without, 2)] == [0, 2]


@given(st.lists(st.integers(0, 5000)))
def test_offsets_follow_from_sizes(sizes: list[int]) -> None:
    offsets = list(data_offsets(sizes))
    ends = [offset - 512 + member_bytes(size) for offset, size in zip(offsets, sizes, strict=True)]
    assert [offset - 512 for offset in offsets] == [0, *ends][: len(sizes)]
    assert tar_bytes(sizes) == [0, *ends][-1] + END_BYTES


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5GB", 5_000_000_000),
        ("500MB", 500_000_000),
        ("10kB", 10_000),
        ("12 B", 12),
        ("7", 7),
        ("1.5GB", 1_500_000_000),
        ("5e9", 5_000_000_000),
        ("5GiB", 5 * 2**30),
        ("0.5 KiB", 512),
    ],
)
def test_sizes_are_decimal_unless_they_say_otherwise(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "GB", "5XB", "-1", "0", "0GB", "1.5B", "5 GB more", "1e", "1e999"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not a size"):
        parse_size(text)
