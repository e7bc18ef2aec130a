"""What stands in a sample's place when it could not be read and the user chose to skip such samples.

A bad sample is an error, or it is skipped and counted; it is never replaced by another one. A data loader
must hand out something for every index, and workers cannot count for the process that trains: so a `Skipped`
travels in the sample's place, and `without_skipped` takes it out and counts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeVar

from sparkle.schemas.errors import ConfigError

Item = TypeVar("Item")

OnError = Literal["raise", "skip"]


@dataclass(frozen=True)
class Skipped:
    """A sample that could not be read.

    Attributes:
        reason: The error's problem, the same words for all samples that have it.
        error: All that was said.
    """

    reason: str
    error: str


def without_skipped(items: Iterable[Item | Skipped], counts: Counter[str]) -> Iterator[Item]:
    """The items without those that were skipped.

    Args:
        items: What a data loader yields.
        counts: Counts skipped samples by reason.
    """
    for item in items:
        if isinstance(item, Skipped):
            counts[item.reason] += 1
        else:
            yield item


def require_policy(on_error: str) -> None:
    """Refuse a policy that there is not."""
    if on_error not in ("raise", "skip"):
        raise ConfigError("there is no such policy for bad samples", got=on_error, wanted="'raise' or 'skip'")
