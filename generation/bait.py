"""BAIT's vote: the strict per-pixel majority over tracking passes, on packed bits.

- One pass a grounded anchor frame tracks the subject through the whole clip; a pixel is foreground where
  more than half of the passes say so. A tie loses.
- An anchor with an empty box makes no pass: it abstains and is not counted, which an empty mask would be.
- Passes are kept as packed bits. Counting is bit-sliced: 64 pixels a word, one word a binary digit of the
  count, and adding a pass is a ripple of XOR and AND (a carry-save adder), block by block so that the
  counters stay in cache.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sparkle.media import Mask, Pixels
from sparkle.schemas.errors import SampleError

Words = npt.NDArray[np.uint64]

BLOCK_WORDS = 8192
"""Words counted together: 64 KB, so that a block's counters fit in the second-level cache."""


class VoteError(SampleError):
    """Passes that cannot be voted on: none at all, or of different shapes."""


class PackedVote:
    """Collects passes of one clip and counts them.

    Args:
        shape: (T, H, W) that every pass has.
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self._shape = shape
        self._passes: list[Words] = []

    def __len__(self) -> int:
        return len(self._passes)

    def add(self, mask: Mask) -> None:
        """Add a pass, bool (T, H, W).

        Raises:
            VoteError: The pass has another shape than the vote.
        """
        if mask.shape != self._shape:
            raise VoteError("the pass has another shape than its clip", got=mask.shape, wanted=self._shape)
        self.add_packed(np.packbits(mask))

    def add_packed(self, bits: Pixels) -> None:
        """Add a pass as `np.packbits` gives it: uint8 (ceil(T*H*W / 8),).

        Raises:
            VoteError: The pass has another size than the vote.
        """
        wanted = -(-self._size // 8)
        if bits.shape != (wanted,):
            raise VoteError(
                "the packed pass has another size than its clip", got=bits.shape, wanted=(wanted,)
            )
        self._passes.append(np.pad(bits, (0, -wanted % 8)).view(np.uint64))

    def majority_packed(self) -> Pixels:
        """The majority as `np.packbits` gives it.

        Raises:
            VoteError: There is no pass: every anchor abstained.
        """
        if not self._passes:
            raise _no_pass()
        majority = np.empty_like(self._passes[0])
        for start in range(0, majority.size, BLOCK_WORDS):
            block = slice(start, start + BLOCK_WORDS)
            majority[block] = _block_majority([bits[block] for bits in self._passes])
        return majority.view(np.uint8)[: -(-self._size // 8)]

    def majority(self) -> Mask:
        """The majority, bool (T, H, W). Raises as `majority_packed`."""
        bits = np.unpackbits(self.majority_packed(), count=self._size)
        return bits.reshape(self._shape).view(np.bool_)

    @property
    def _size(self) -> int:
        frames, height, width = self._shape
        return frames * height * width


def majority_vote(passes: Iterable[Mask]) -> Mask:
    """Strict majority over tracking passes.

    Args:
        passes: bool (T, H, W) each; a generator is read one pass at a time.

    Returns:
        bool (T, H, W): true where more than half of the passes are.

    Raises:
        VoteError: There is no pass, or the shapes differ.
    """
    vote: PackedVote | None = None
    for mask in passes:
        if vote is None:
            frames, height, width = mask.shape
            vote = PackedVote((frames, height, width))
        vote.add(mask)
    if vote is None:
        raise _no_pass()
    return vote.majority()


def _no_pass() -> VoteError:
    return VoteError(
        "there is no tracking pass to vote on: every anchor abstained", got=0, wanted="at least 1"
    )


def _block_majority(passes: list[Words]) -> Words:
    """The majority of one block of words."""
    digits: list[Words] = []
    for bits in passes:
        carry = bits
        for place, digit in enumerate(digits):
            digits[place], carry = digit ^ carry, digit & carry
        if (1 << len(digits)) <= len(passes):
            digits.append(carry)
    return _greater(digits, len(passes) // 2)


def _greater(digits: list[Words], threshold: int) -> Words:
    """Bits set where the bit-sliced count is above the threshold; the highest digit decides first."""
    above = np.zeros_like(digits[0])
    equal = ~above
    for place in range(len(digits) - 1, -1, -1):
        if threshold >> place & 1:
            equal &= digits[place]
        else:
            above |= equal & digits[place]
            equal &= ~digits[place]
    return above
