"""Which samples go into which tar: in their order, filled up to a size limit.

The limit counts what a tar really weighs: a header block and padding for each member, and the two zero
blocks at the end. A member that is larger than the limit alone gets a tar of its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sparkle.schemas.errors import ConfigError

BLOCK = 512  # bytes; everything in a tar is a multiple of it (POSIX ustar)
END_BYTES = 2 * BLOCK  # two zero blocks end a tar (POSIX ustar)

# Decimal, as storage is sold and as the Hub counts.
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def member_bytes(size: int) -> int:
    """Bytes that a file of `size` bytes takes in a tar: header, data, padding."""
    return BLOCK + -(-size // BLOCK) * BLOCK


def assign(sizes: Sequence[tuple[str, int]], cap: int) -> list[list[str]]:
    """Parts of ids, each a tar of at most `cap` bytes unless it has a single member.

    Args:
        sizes: (id, bytes) in the order that members are to have.
        cap: The most bytes of a tar.
    """
    parts: list[list[str]] = []
    filled = 0
    for sample_id, size in sizes:
        needed = member_bytes(size)
        if not parts or filled + needed > cap:
            parts.append([])
            filled = END_BYTES
        parts[-1].append(sample_id)
        filled += needed
    return parts


def parse_size(text: str) -> int:
    """Bytes of "5GB", "500MB", "10kB" or a plain number of bytes; units are powers of 1000.

    Raises:
        ConfigError: it is not a size above zero.
    """
    match = re.fullmatch(r"([0-9]+)\s*([A-Za-z]*)", text.strip())
    unit = match and _UNITS.get(match[2].upper())
    if not match or not unit or int(match[1]) == 0:
        raise ConfigError("not a size", got=repr(text), wanted="such as 5GB, 500MB, 10kB or 1000000")
    return int(match[1]) * unit
