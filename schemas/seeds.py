"""Seeds are derived, never drawn: seed = f(run seed, names...).

The same names give the same seed on every host, in every process and in any order of work.
"""

from __future__ import annotations

import hashlib

from sparkle.schemas.canonical import canonical_json


def derive_seed(run_seed: int, *names: str | int) -> int:
    """A seed in [0, 2**63) from the run's seed and what it is for (sample id, step, attempt, ...).

    The first eight bytes of a sha256 over the canonical JSON of the names: distinct names collide
    with probability 2**-63. 63 bits fit a signed integer of every library that takes a seed.
    """
    digest = hashlib.sha256(canonical_json([run_seed, *names])).digest()
    return int.from_bytes(digest[:8], "big") >> 1
