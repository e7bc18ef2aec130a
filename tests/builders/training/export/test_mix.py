"""Shares of themes: right to a row, every pair once where nothing is left out, drawn by seed and id alone."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.builders.training.mix import parse_mix, times_listed
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import THEMES, format_id, theme_of

shares = st.dictionaries(st.sampled_from(THEMES), st.fractions(Fraction(1, 5), 9), min_size=1)


def ids_of(counts: dict[str, int]) -> list[str]:
    return [format_id(theme, 3 * index) for theme, count in counts.items() for index in range(count)]


def rows_of(ids: list[str], times: np.ndarray) -> Counter[str]:
    rows: Counter[str] = Counter()
    for sample_id, count in zip(ids, times.tolist(), strict=True):
        rows[theme_of(sample_id)] += count
    return rows


@given(shares, st.data())
def test_without_a_limit_no_pair_is_left_out_and_shares_are_right(weights, data):
    counts = {theme: data.draw(st.integers(1, 40), theme) for theme in weights}
    ids = ids_of(counts)
    times = times_listed(ids, weights, None, 0)
    rows = rows_of(ids, times)
    assert times.min() >= 1
    scale = max(Fraction(counts[theme]) / weights[theme] for theme in weights)
    for theme, weight in weights.items():
        assert abs(rows[theme] - weight * scale) <= Fraction(1, 2)
    assert any(rows[theme] == counts[theme] for theme in weights)  # no theme is repeated without need


@given(shares, st.integers(1, 200), st.data())
def test_with_a_limit_there_are_exactly_so_many_rows(weights, limit, data):
    counts = {theme: data.draw(st.integers(1, 40), theme) for theme in weights}
    ids = ids_of(counts)
    times = times_listed(ids, weights, limit, 0)
    rows = rows_of(ids, times)
    assert sum(rows.values()) == limit
    total = sum(weights.values())
    for theme, weight in weights.items():
        assert abs(rows[theme] - weight * limit / total) < 1
        of_theme = [
            count for sample_id, count in zip(ids, times, strict=True) if theme_of(sample_id) == theme
        ]
        assert max(of_theme) - min(of_theme) <= 1


def test_what_is_drawn_follows_from_seed_and_id_alone():
    ids = ids_of({"location": 30, "season": 30})
    weights = parse_mix("location=1,season=1")
    drawn = dict(zip(ids, times_listed(ids, weights, 20, 0).tolist(), strict=True))
    assert dict(zip(ids[::-1], times_listed(ids[::-1], weights, 20, 0).tolist(), strict=True)) == drawn
    assert dict(zip(ids, times_listed(ids, weights, 20, 1).tolist(), strict=True)) != drawn
    more = ids_of({"location": 30, "season": 30, "time": 30})
    wider = times_listed(more, parse_mix("location=1,season=1,time=1"), 30, 0).tolist()
    assert {
        sample_id: count for sample_id, count in zip(more, wider, strict=True) if sample_id in drawn
    } == drawn


def test_without_weights_every_pair_is_listed_once():
    assert times_listed(ids_of({"style": 5}), None, None, 0).tolist() == [1] * 5


def test_shares_are_read_exactly():
    assert parse_mix("location=2,season=0.1") == {"location": Fraction(2), "season": Fraction(1, 10)}


@pytest.mark.parametrize(
    "text", ["", "location", "location=0", "location=-1", "place=1", "time=1,time=2", "time=x"]
)
def test_what_is_no_mix_is_refused(text):
    with pytest.raises(ConfigError):
        parse_mix(text)
