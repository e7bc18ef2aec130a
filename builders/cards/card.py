"""The dataset card: README.md of a release, a function of its other files.

How it works
- Everything in the card that could be wrong (counts, scores, licences, models, thresholds, funnel) is read
  from the release's tables and provenance (`card_facts`); the prose around it stands in the template,
  `dataset_card.md` or, for an import, `upstream_card.md`. What both have is in `card_*.md`.
- What its publisher says of it (release.toml) is in the provenance; what was written into the card by hand
  stays in its room (`room`). Where nobody gave a licence the card says so, and names none.
- So a card can be rendered again at any time, after a takedown for example: same files, same card.
- Every line of code in a card is run by a test, against a folder and against a Hub.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import yaml

from sparkle.builders.cards.facts import PERCENTILES, Facts, ThemeFacts, read_facts, terms_of
from sparkle.builders.cards.plots import PLOTS
from sparkle.builders.cards.room import PLACE, furnish
from sparkle.builders.release.about import About, SourceTerms, license_address
from sparkle.builders.release.formats import CSV_COLUMNS
from sparkle.builders.release.removed import Removed, read_provenance
from sparkle.schemas import layout
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.funnel import merge_funnels
from sparkle.schemas.ids import TAXONOMY_THEMES, THEMES
from sparkle.schemas.layout import KIND_BY_NAME, KINDS

_TEMPLATE, _IMPORTED_TEMPLATE = "dataset_card.md", "upstream_card.md"

# The backend whose pictures and scores must not be taken for those of the paper's models.
_CLASSICAL = "classical"
_SCORER = "image_scorer"

# What the Hub is told where nobody licensed the release: that; or that the terms of some sources reach it.
_UNKNOWN = {"id": "unknown", "name": None}
_SOURCES_RULE = {"id": "other", "name": "terms-of-the-sources"}
_LICENCE = re.compile(r"^license:\s*([A-Za-z0-9.+-]+)\s*$", re.MULTILINE)

THEME_TEXTS = {
    "location": "another place: rural, urban, nature, landmarks, interiors",
    "season": "another season of the year",
    "time": "another time of the day",
    "style": "another style or era",
    "openve3m": "free prompts (upstream's: the background subset of OpenVE-3M, made again)",
}


def render_card(folder: Path, words: str = "") -> str:
    """The card of the release in a folder, whose other files are written.

    Args:
        folder: The release.
        words: What goes into the publisher's room (see `room`).

    Raises:
        ReleaseError: its tables or its provenance cannot be read.
    """
    provenance = read_provenance(folder / layout.PROVENANCE)
    document, facts, about = provenance.document, read_facts(folder), provenance.about
    try:
        own = _imported(folder, document) if provenance.imported else _built(folder, document, facts)
    except (LookupError, TypeError) as error:
        where = folder / layout.PROVENANCE
        raise ReleaseError("the release's provenance cannot be read", got=error, where=where) from None
    template = _IMPORTED_TEMPLATE if provenance.imported else _TEMPLATE
    return furnish(render(template, _common(document, facts) | own | _said(about, own)), words)


def render(template: str, context: Mapping[str, Any]) -> str:
    """A template of this folder with a context filled in; a name that the context lacks is an error."""
    # No autoescape: what is rendered is Markdown, not HTML.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.FunctionLoader(_template),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {
        "cell": _cell,
        "grouped": "{:,}".format,
        "yaml": _yaml,
        "decimals": "{:.2f}".format,
        "number": lambda value: "not recorded" if value is None else f"{value:,}",
        "span": _span,
        "sizes": _sizes,
    }
    environment.filters |= filters
    return environment.get_template(template).render(**context)


def licence_of(card: str) -> str | None:
    """The licence in the YAML at the head of a card, by the Hub's name; None where it has none."""
    head = re.match(r"---\n(.*?)\n---", card, re.DOTALL)
    found = head and _LICENCE.search(head[1])
    return found[1] if found else None


def size_category(count: int) -> str:
    """The Hub's name for a number of rows, such as `1K<n<10K`."""
    bounds = ["1K", "10K", "100K", "1M", "10M", "100M", "1B"]
    limits = [10**power for power in range(3, 3 + len(bounds))]
    for index, limit in enumerate(limits):
        if count < limit:
            return f"n<{bounds[0]}" if index == 0 else f"{bounds[index - 1]}<n<{bounds[index]}"
    return f"n>{bounds[-1]}"


# --- what templates are filled with -----------------------------------------------------------


def _common(document: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    total = sum(theme.pairs for theme in facts.themes)
    return {
        "code": document["code"],
        "themes": facts.themes,
        "theme_texts": THEME_TEXTS,
        "total": total,
        "size_category": size_category(total),
        "percentiles": PERCENTILES,
        "first_theme": facts.themes[0].name,
        "good_score": _good_score(facts.themes[0]),
        "removed": sum(Removed.of(document).samples.values()),
        "changelog": layout.CHANGELOG,
    }


def _good_score(theme: ThemeFacts) -> float | None:
    """A score that half of a theme's pairs have, for an example: `datasets` fails where no row passes."""
    medians = [
        score.percentiles[PERCENTILES.index(50)] for score in theme.scores if score.name == "edited_video"
    ]
    return math.floor(medians[0] * 10) / 10 if medians else None


def _built(folder: Path, document: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    runs, options = document["runs"], document["options"]
    models = _distinct(model for run in runs for model in run["models"])
    licences = [licence for theme in facts.themes for licence in theme.licences]
    strips = {theme.name: layout.strip(theme.name) for theme in facts.themes}
    return {
        "pretty_name": "Sparkle-style background replacement pairs",
        "reached": any(licence.terms for licence in licences),
        "unknown": sum(licence.pairs for licence in licences if licence.name is None),
        "shared_sources": facts.shared,
        "options": options,
        "has_keywords": any(theme.name in TAXONOMY_THEMES for theme in facts.themes),
        "upstream_columns": CSV_COLUMNS,
        "kinds": KINDS,
        "models": models,
        "classical": sorted({model["capability"] for model in models if model["backend"] == _CLASSICAL}),
        "mixed": any(model["backend"] != _CLASSICAL for model in models),
        "scorers": {model["backend"] for model in models if model["capability"] == _SCORER},
        "thresholds": _distinct(run["config"]["thresholds"] for run in runs),
        "funnel": _funnel([run["funnel"] for run in runs]),
        "plots": [path for path in map(layout.plot, PLOTS) if (folder / path).is_file()],
        "strips": {theme: path for theme, path in strips.items() if (folder / path).is_file()},
        "selection": _selection(options.get("selection", {})),
        "fields": _fields(options.get("webdataset")),
        "runs": [run["config"]["name"] for run in runs],
    }


def _imported(folder: Path, document: Mapping[str, Any]) -> dict[str, Any]:
    upstream = folder / layout.UPSTREAM_CARD
    problems = document["imported"]["findings"]
    return {
        "pretty_name": "Sparkle-style background replacement pairs (imported)",
        "reached": False,
        "licence": {"id": _licence_of_file(upstream) if upstream.is_file() else None, "name": None},
        "upstream_card": layout.UPSTREAM_CARD if upstream.is_file() else None,
        "report": layout.IMPORT_REPORT,
        "findings": sum(problems.values()),
        "problems": problems,
    }


def _said(about: About, own: Mapping[str, Any]) -> dict[str, Any]:
    """What the publisher says, over what the release says by itself."""
    reached = own["reached"] or any(terms_of(terms.license) for terms in about.sources.values())
    licence = own.get("licence", _SOURCES_RULE if reached else _UNKNOWN)
    if about.license is not None:
        address = about.license_link or license_address(about.license)
        text = about.license_name or about.license
        licence = {"id": about.license, "name": about.license_name}
        licence["text"] = f"[{text}]({address})" if address else text
    pages = {"paper": about.paper, **about.links} if about.paper else about.links
    line = [
        *([f"By {', '.join(about.authors)}"] if about.authors else []),
        *(f"[{name}]({address})" for name, address in pages.items()),
        *([f"contact: {about.contact}"] if about.contact else []),
    ]
    return {
        "about": about,
        "pretty_name": about.title or own["pretty_name"],
        "byline": " · ".join(line),
        "place": PLACE,
        "reached": reached,
        "licence": licence,
        "told": [_sources_line(theme, about.sources[theme]) for theme in THEMES if theme in about.sources],
    }


def _sources_line(theme: str, terms: SourceTerms) -> str:
    asked = ", ".join(terms_of(terms.license))
    told = [
        *([f"licence {terms.license}{f' (asks: {asked})' if asked else ''}."] if terms.license else []),
        *([" ".join(terms.origin.split())] if terms.origin else []),
        *([f"[Terms]({terms.link})"] if terms.link else []),
    ]
    return f"`{theme}`: {' '.join(told)}"


def _licence_of_file(card: Path) -> str | None:
    return licence_of(card.read_text("utf-8", errors="replace"))


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


# --- how values are written -------------------------------------------------------------------


def _template(name: str) -> str:
    return resources.files("sparkle.builders.cards").joinpath("templates", name).read_text("utf-8")


def _cell(value: object) -> str:
    """Text that stays inside one cell of a Markdown table."""
    return " ".join(str(value).replace("|", "\\|").split())


def _yaml(text: str) -> str:
    """Text as YAML has it on one line, in quotes where it needs them."""
    return yaml.safe_dump(text, allow_unicode=True, width=math.inf).removesuffix("...\n").strip()


def _span(value: tuple[int, int] | None) -> str:
    """A least and a greatest number, or the one that both are."""
    if value is None:
        return "not recorded"
    return " to ".join(f"{number:,}" for number in sorted(set(value)))


def _sizes(found: Sequence[tuple[int, int, int]]) -> str:
    """The commonest width and height, and how many others there are."""
    if not found:
        return "not recorded"
    width, height, _ = found[0]
    return f"{width}x{height}" + (f" and {len(found) - 1} more" if len(found) > 1 else "")
