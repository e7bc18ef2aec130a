"""BAIT's vote: the strict per-pixel majority over tracking passes, on packed bits.

- One pass per grounded anchor frame tracks the subject through the whole clip; a pixel is foreground where
  more than half of the passes say so. A tie loses.
- An anchor with an empty box makes no pass: it abstains and is not counted, which an empty mask would be.
- Passes are kept as packed bits. Counting is bit-sliced: 64 pixels per word, one word per binary digit of the
  count, and adding a pass is a ripple of XOR and AND (a carry-save adder), block by block so that the
  counters stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sparkle.media import Mask, Pixels
from sparkle.schemas.errors import SampleError

_Words = npt.NDArray[np.uint64]

_BLOCK_WORDS = 8192  # counted together: 64 KB, so that a block's counters fit in the second-level cache


class VoteError(SampleError):
    """Passes that cannot be voted on: none at all, or of different shapes."""


def majority_vote(passes: Iterable[Mask]) -> Mask:
    """Return the strict majority over tracking passes.

    Args:
        passes: bool (T, H, W) each; a generator is read one pass at a time.

    Returns:
        bool (T, H, W): true where more than half of the passes are.

    Raises:
        VoteError: There is no pass, or the shapes differ.
    """
    shape: tuple[int, ...] = ()
    packed: list[Pixels] = []
    for mask in passes:
        if packed and mask.shape != shape:
            raise VoteError("the pass has another shape than its clip", got=mask.shape, wanted=shape)
        shape = mask.shape
        packed.append(np.packbits(mask))
    if not packed:
        raise VoteError(
            "there is no tracking pass to vote on: every anchor abstained", got=0, wanted="at least 1"
        )
    bits = np.unpackbits(packed_majority(packed), count=int(np.prod(shape)))
    return bits.reshape(shape).view(np.bool_)


def packed_majority(passes: Iterable[Pixels]) -> Pixels:
    """Return the majority of passes, each as `np.packbits` gives it; at least one, and all of one size."""
    size = 0
    words: list[_Words] = []
    for bits in passes:
        size = bits.size
        words.append(np.pad(bits, (0, -size % 8)).view(np.uint64))
    majority = np.empty_like(words[0])
    for start in range(0, majority.size, _BLOCK_WORDS):
        block = slice(start, start + _BLOCK_WORDS)
        majority[block] = _block_majority([each[block] for each in words])
    return majority.view(np.uint8)[:size]


def _block_majority(passes: list[_Words]) -> _Words:
    """Return the majority of one block of words."""
    digits: list[_Words] = []
    for bits in passes:
        carry = bits
        for place, digit in enumerate(digits):
            digits[place], carry = digit ^ carry, digit & carry
        if (1 << len(digits)) <= len(passes):
            digits.append(carry)
    return _greater(digits, len(passes) // 2)


def _greater(digits: list[_Words], threshold: int) -> _Words:
    """Return bits set where the bit-sliced count is above the threshold; the highest digit decides first."""
    above = np.zeros_like(digits[0])
    equal = ~above
    for place in range(len(digits) - 1, -1, -1):
        if threshold >> place & 1:
            equal &= digits[place]
        else:
            above |= equal & digits[place]
            equal &= ~digits[place]
    return above
