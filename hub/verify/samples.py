"""Which samples are looked at closely: as many as asked for, chosen by a seed.

The choice is a function of the seed and the ids alone, and moves little when a release grows: a sample that
is chosen stays so until enough others come before it in the seed's order.
"""

from __future__ import annotations

import hashlib

from sparkle.hub.verify.place import Place
from sparkle.hub.verify.rows import read_rows, themes_of


def choose_samples(place: Place, count: int, seed: int) -> list[str]:
    """At most `count` ids, sorted; raises ReleaseError when a table cannot be read."""
    ids = [
        sample_id
        for theme in themes_of(place)
        for sample_id in read_rows(place, theme, ["task"])["task"].to_pylist()
    ]
    return sorted(sorted(ids, key=lambda sample_id: _rank(seed, sample_id))[:count])


def _rank(seed: int, sample_id: str) -> bytes:
    return hashlib.sha256(f"{seed} {sample_id}".encode()).digest()
