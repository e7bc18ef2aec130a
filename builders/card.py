"""The dataset card: README.md of a release, rendered from its provenance.

The template is `dataset_card.md`. Everything in the card that could be wrong (counts, models, thresholds,
funnel) comes from the release; the prose around it stands in the template.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2

from sparkle.builders.annotate import CSV_COLUMNS
from sparkle.builders.sample import Sample
from sparkle.builders.stats import merge_funnels
from sparkle.schemas.ids import TAXONOMY_THEMES
from sparkle.schemas.layout import KIND_BY_NAME, KINDS

TEMPLATE = "dataset_card.md"

# The backend whose pictures and scores must not be taken for those of the paper's models.
_CLASSICAL = "classical"

_THEMES = {
    "location": "another place: rural, urban, nature, landmarks, interiors",
    "season": "another season of the year",
    "time": "another time of the day",
    "style": "another style or era",
    "openve3m": "free prompts, made again from the background subset of OpenVE-3M",
}


def render_card(
    document: Mapping[str, Any], themes: Mapping[str, Sequence[Sample]], plots: Sequence[str] = ()
) -> str:
    """The card.

    Args:
        document: The release's provenance.
        themes: Its samples by theme.
        plots: Paths of its plots.
    """
    # No autoescape: what is rendered is Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["cell"] = _cell
    environment.filters["grouped"] = "{:,}".format
    text = resources.files("sparkle.builders").joinpath(TEMPLATE).read_text("utf-8")
    return environment.from_string(text).render(**_context(document, themes, plots))


def size_category(count: int) -> str:
    """The Hub's name for a number of rows, such as `1K<n<10K`."""
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    limits = [10**power for power in range(3, 3 + len(bounds))]
    for index, limit in enumerate(limits):
        if count < limit:
            return f"n<{bounds[0]}" if index == 0 else f"{bounds[index - 1]}<n<{bounds[index]}"
    return f"n>{bounds[-1]}"


def _context(
    document: Mapping[str, Any], themes: Mapping[str, Sequence[Sample]], plots: Sequence[str]
) -> dict[str, Any]:
    runs = document["runs"]
    models = _distinct(model for run in runs for model in run["models"])
    total = sum(map(len, themes.values()))
    return {
        "code": document["code"],
        "options": document["options"],
        "size_category": size_category(total),
        "total": total,
        "themes": [_theme_row(theme, samples) for theme, samples in themes.items()],
        "first_theme": next(iter(themes)),
        "has_keywords": any(theme in TAXONOMY_THEMES for theme in themes),
        "upstream_columns": CSV_COLUMNS,
        "kinds": KINDS,
        "models": models,
        "classical": sorted({model["capability"] for model in models if model["backend"] == _CLASSICAL}),
        "mixed": any(model["backend"] != _CLASSICAL for model in models),
        "thresholds": _distinct(run["config"]["thresholds"] for run in runs),
        "funnel": _funnel([run["funnel"] for run in runs]),
        "plots": plots,
        "selection": _selection(document["options"].get("selection", {})),
        "fields": _fields(document["options"].get("webdataset")),
        "runs": [run["config"]["name"] for run in runs],
    }


def _selection(chosen: Mapping[str, Any]) -> str:
    """What a release leaves out of what its runs hold, in a sentence; empty when it leaves out nothing."""
    parts = []
    if "core" in chosen:
        parts.append("a core set: in turn from every theme, subtheme and scene, best first")
    if "themes" in chosen:
        parts.append(f"only {', '.join(chosen['themes'])}")
    if "ids" in chosen:
        parts.append(f"only {len(chosen['ids']):,} ids that were named")
    if "exclude" in chosen:
        parts.append(f"without {len(chosen['exclude']):,} ids that were named")
    if "thresholds" in chosen:
        parts.append(f"with limits other than the run's: {', '.join(chosen['thresholds'])}")
    told = "; ".join(parts)
    return told and f"A selection of what was made ({told}); `provenance.json` says it in full."


def _fields(webdataset: Mapping[str, Any] | None) -> list[str]:
    """What a sample of the paired shards has; nothing where there are none."""
    return (
        [] if webdataset is None else [*(KIND_BY_NAME[name].field for name in webdataset["streams"]), "json"]
    )


def _theme_row(theme: str, samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "name": theme,
        "text": _THEMES[theme],
        "pairs": len(samples),
        "sources": len({sample.source.sha256 for sample in samples}),
        "bytes": sum(ref.size for sample in samples for ref in sample.artifacts.values()),
    }


def _funnel(funnels: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """One row a step, summed over runs; what a sample fell to, commonest first."""
    rows = []
    for row in merge_funnels(funnels):
        failed = {f"failed, {problem}": count for problem, count in row["failed"].items()}
        fallen = sorted((row["rejected"] | failed).items(), key=lambda item: (-item[1], item[0]))
        rows.append({**row, "fallen": fallen})
    return rows


def _distinct(values: Any) -> list[Any]:
    """Values without repetitions, in the order in which they first appear."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _cell(value: object) -> str:
    """Text that stays inside one cell of a Markdown table."""
    return " ".join(str(value).replace("|", "\\|").split())
