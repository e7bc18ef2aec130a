"""What a publish did, for people and as JSON."""

from __future__ import annotations

from typing import Any

from sparkle.hub.publish.plan import readable
from sparkle.hub.publish.publishing import PublishReport


def summary(report: PublishReport) -> str:
    """A line or two for people."""
    plan = report.plan
    if report.head is None:
        return f"{plan.where}: nothing was sent; without --dry-run this is done"
    tag = f", tag {report.tag}" if report.tag else ""
    if not plan.batches:
        return f"{plan.where}: up to date at {report.head[:12]}{tag}"
    files = len(plan.puts) + len(plan.same)
    return (
        f"{plan.where}: published at {report.head[:12]}{tag} ({files} files; {readable(report.sent)} sent)\n"
        f"next: sparkle-hub verify {plan.where}"
    )


def to_json(report: PublishReport) -> dict[str, Any]:
    """Everything, as one JSON object."""
    plan = report.plan
    return {
        "where": plan.where,
        "head": report.head,
        "tag": report.tag,
        "dry_run": report.head is None,
        "new": [entry.path for entry in plan.new],
        "replaced": [entry.path for entry in plan.replaced],
        "deleted": list(plan.deletes),
        "same": len(plan.same),
        "others": list(plan.others),
        "bytes": plan.bytes,
        "sent_before": plan.sent,
        "sent": report.sent,
        "commits": len(plan.batches),
        "notes": list(plan.notes),
    }
