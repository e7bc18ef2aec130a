"""The time as the Hub writes it."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The current time, UTC, in milliseconds: `2026-01-31T12:00:00.000Z`."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
