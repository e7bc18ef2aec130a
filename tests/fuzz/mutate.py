"""What becomes of a real file: a pure function of the file and of a number, so that a number says it all.

A few changes are made one after another: bits flipped, bytes set, pieces cut out, doubled, swapped or taken
from another file of the same kind, numbers swapped for extreme ones, in digits or in binary.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

_EXTREMES = (
    *(0, 1, -1, 2, 127, 128, 255, 256),
    *(2**15 - 1, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1),
)
_DIGITS = (
    *(str(number).encode() for number in _EXTREMES),
    *(b"9" * 40, b"1e999", b"-0", b"0.1", b"1e-400", b"NaN", b"null", b'"1"', b"[]", b"{}", b"true", b"00"),
)
_WORDS = (
    *(b"", b"\0", b"\xff", b"\xed\xa0\x80", b"\r\n", b"\n", b'"', b"\\", b"\\ud800", b",", b"../", b"/"),
    *(b"\xef\xbb\xbf", b"[" * 300, b"{" * 300, b"\xc2\xa0", b"'", b"#", b"*a", b"&a ", b"---\n", b" " * 600),
)
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")

Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]


def mutated(seeds: Sequence[bytes], number: int | str) -> bytes:
    """Return what becomes of one of the files."""
    dice = random.Random(number)  # noqa: S311 - nothing secret
    data = bytearray(dice.choice(seeds))
    for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
        if data:
            dice.choice(_CHANGES)(dice, data, seeds)
    return bytes(data)


def _at(dice: random.Random, data: bytearray) -> int:
    """A place, more often one near the start or the end, where headers and footers are."""
    size = len(data)
    near = dice.choice((size, size, min(size, 64), min(size, 600), -min(size, 64), -min(size, 600)))
    return dice.randrange(near) if near > 0 else size - 1 - dice.randrange(-near)


def _piece(dice: random.Random, data: bytearray) -> slice:
    start = _at(dice, data)
    return slice(start, start + dice.choice((1, 2, 4, 8, 30, 200, 2000)))


def _flip(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[_at(dice, data)] ^= 1 << dice.randrange(8)


def _set(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[_at(dice, data)] = dice.choice((0, 1, 0x20, 0x7F, 0x80, 0xFF, dice.randrange(256)))


def _cut(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_at(dice, data) :]


def _delete(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[_piece(dice, data)]


def _double(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    piece = _piece(dice, data)
    data[piece.start : piece.start] = data[piece] * dice.choice((1, 1, 2, 50))


def _swap(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    one, other = _piece(dice, data), _piece(dice, data)
    data[one], data[other] = data[other], data[one]


def _splice(dice: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = bytearray(dice.choice(seeds))
    if other:
        data[_piece(dice, data)] = other[_piece(dice, other)]


def _insert(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    start = _at(dice, data)
    data[start : start + dice.choice((0, 0, 1))] = dice.choice(_WORDS)


def _number(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Swap a number in digits, if there is one from some place on."""
    found = _NUMBER.search(data, _at(dice, data))
    if found is not None:
        data[found.start() : found.end()] = dice.choice(_DIGITS)


def _binary(dice: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Write an extreme number over some bytes."""
    start, size = _at(dice, data), dice.choice((1, 2, 4, 8))
    value = (dice.choice(_EXTREMES) + dice.choice((0, 0, -1, 1))) % 256**size
    data[start : start + size] = value.to_bytes(size, dice.choice(("little", "big")))


_CHANGES: tuple[Change, ...] = (
    *(_flip, _flip, _set, _cut, _delete, _double, _swap),
    *(_splice, _insert, _number, _number, _binary, _binary),
)
