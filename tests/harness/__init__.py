"""What tests share: drawn runs and videos, servers on loopback, processes that are killed."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""

SHARED_RECORDS = ROOT.parent / "shared" / "data" / "records"
"""Upstream's example records, which are not part of the project: tests that want them skip without."""

SHARED_JUDGE = ROOT.parent / "shared" / "data" / "judge"
"""Answers and verdicts of real judges, not part of the project either."""
