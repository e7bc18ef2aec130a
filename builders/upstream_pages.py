"""The pages of an import: provenance.json and the card.

- The card keeps upstream's licence, and points to upstream's own card, which the release keeps beside it.
- No path or time is in them: the same folder gives the same bytes anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2

from sparkle.builders.card import size_category
from sparkle.builders.provenance import FORMAT, VERSION
from sparkle.schemas import layout
from sparkle.schemas.validate import check

_TEMPLATE = "upstream_card.md"
_DISTRIBUTION = "sparkle-dataset"
_LICENCE = re.compile(r"^license:\s*([A-Za-z0-9.+-]+)\s*$", re.MULTILINE)


def imported_provenance(tars: int, loose: int, problems: Mapping[str, int]) -> dict[str, Any]:
    """The provenance of an import; raises RecordError when it does not follow its schema.

    Args:
        tars: How many tars were read.
        loose: How many loose files were read.
        problems: How often each problem was found.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "code": _code(),
        "options": {"max_shard_size": None, "preview": None},
        "packages": {"pyarrow": version("pyarrow")},
        "imported": {"tars": tars, "loose": loose, "findings": dict(problems)},
        "runs": [],
    }
    check("provenance", document, where=layout.PROVENANCE)
    return document


def imported_card(samples: Mapping[str, int], problems: Mapping[str, int], upstream: Path | None) -> str:
    """The card of an import.

    Args:
        samples: How many samples each theme has.
        problems: How often each problem was found.
        upstream: The card that the folder came with.
    """
    # No autoescape: what is rendered is Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["grouped"] = "{:,}".format
    text = resources.files("sparkle.builders").joinpath(_TEMPLATE).read_text("utf-8")
    total = sum(samples.values())
    return environment.from_string(text).render(
        code=_code(),
        themes=[{"name": theme, "pairs": count} for theme, count in samples.items()],
        total=total,
        size_category=size_category(total),
        licence=None if upstream is None else _licence(upstream),
        upstream_card=None if upstream is None else layout.UPSTREAM_CARD,
        report=layout.IMPORT_REPORT,
        findings=sum(problems.values()),
        problems=problems,
    )


def _code() -> dict[str, str]:
    return {"name": _DISTRIBUTION, "version": version(_DISTRIBUTION)}


def _licence(card: Path) -> str | None:
    """The licence in the YAML at the head of a card."""
    head = re.match(r"---\n(.*?)\n---", card.read_text("utf-8", errors="replace"), re.DOTALL)
    found = head and _LICENCE.search(head[1])
    return found[1] if found else None
