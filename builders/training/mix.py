"""How often each pair is listed, so that themes have the shares that were asked for.

- Without weights every pair is listed once. With weights and no limit no pair is left out: the theme that has
  most pairs for its weight is listed once, the others again and again until the shares are right. With a
  limit that many rows are divided by weight, and themes that have more pairs than that give some of them.
- Which pairs are left out or listed once more follows from the seed and their ids alone: adding a theme, or
  running elsewhere, changes nothing for the others.
- Shares are those of the pairs that are in order: `candidates` says which are tried, and in which order, and
  `times_listed` weights the ones that were found to be good.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import THEMES, theme_of
from sparkle.schemas.seeds import derive_seed

Times = npt.NDArray[np.int32]


def parse_mix(text: str) -> dict[str, Fraction]:
    """Parse weights by theme, such as `location=2,season=1`.

    Raises:
        ConfigError: a theme is unknown or named twice, or a weight is not above 0.
    """
    weights: dict[str, Fraction] = {}
    for part in text.split(","):
        theme, _, number = part.partition("=")
        try:
            weight = Fraction(number)
        except (ValueError, ZeroDivisionError):
            weight = Fraction(0)
        if theme not in THEMES or theme in weights or weight <= 0:
            raise ConfigError("invalid mix", got=part, wanted="such as location=2,season=1, each theme once")
        weights[theme] = weight
    return weights


def candidates(
    ids: Sequence[str], weights: Mapping[str, Fraction] | None, limit: int | None, seed: int
) -> list[tuple[list[int], int | None]]:
    """Return which pairs are tried: groups of positions in their order, and how many are wanted of each.

    Args:
        ids: See `times_listed`.
        weights: Likewise.
        limit: Likewise, also without weights.
        seed: Likewise.

    Returns:
        (positions, how many; None for all) of each theme, or of all pairs without weights.
    """
    if weights is None:
        return [(list(range(len(ids))), limit)]
    found = _by_theme(ids, weights)
    if limit is None:
        return [(positions, None) for positions in found.values()]
    rows = _rows({theme: len(positions) for theme, positions in found.items()}, weights, limit)
    return [(_drawn(ids, positions, seed), rows[theme]) for theme, positions in found.items()]


def times_listed(
    ids: Sequence[str], weights: Mapping[str, Fraction] | None, limit: int | None, seed: int
) -> Times:
    """Return how often each pair is listed.

    Args:
        ids: The pairs.
        weights: Shares of themes, each of which some pair has that gets rows; None for every pair once.
        limit: How many rows there are in all, with weights; None for as many as leave no pair out.
        seed: What is drawn by.

    Returns:
        int32 (N,).
    """
    if weights is None:
        return np.ones(len(ids), np.int32)
    found = _by_theme(ids, weights)
    times = np.zeros(len(ids), np.int32)
    for theme, rows in _rows({theme: len(of) for theme, of in found.items()}, weights, limit).items():
        if rows:
            each, more = divmod(rows, len(found[theme]))
            times[found[theme]] = each
            times[_drawn(ids, found[theme], seed)[:more]] += 1
    return times


def _by_theme(ids: Sequence[str], themes: Iterable[str]) -> dict[str, list[int]]:
    positions: dict[str, list[int]] = {theme: [] for theme in themes}
    for position, sample_id in enumerate(ids):
        positions[theme_of(sample_id)].append(position)
    return positions


def _drawn(ids: Sequence[str], positions: Sequence[int], seed: int) -> list[int]:
    """Return positions in the order in which they are drawn."""
    return sorted(positions, key=lambda position: (derive_seed(seed, "mix", ids[position]), position))


def _rows(counts: Mapping[str, int], weights: Mapping[str, Fraction], limit: int | None) -> dict[str, int]:
    """Return how many rows each theme gets: by weight, largest remainder first so that they add up."""
    total = sum(weights.values())
    if limit is None:
        scale = max(counts[theme] / weights[theme] for theme in weights)
        return {theme: round(weight * scale) for theme, weight in weights.items()}
    shares = {theme: weight * limit / total for theme, weight in weights.items()}
    rows = {theme: int(share) for theme, share in shares.items()}
    left = limit - sum(rows.values())
    for theme in sorted(shares, key=lambda theme: (rows[theme] - shares[theme], THEMES.index(theme)))[:left]:
        rows[theme] += 1
    return rows
