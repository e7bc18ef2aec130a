"""The levels of a verification, in the order in which they run: each takes the ones before for granted."""

from __future__ import annotations

INTEGRITY, CONSISTENCY, RESHARD = "integrity", "consistency", "reshard"
REPLAY, CONSUMERS = "replay", "consumers"
LEVELS: tuple[str, ...] = (INTEGRITY, CONSISTENCY, RESHARD, REPLAY, CONSUMERS)
