"""What provenance.json says of how a release was made, against what is there.

It cannot be proved here that a run rejected what it says that it rejected. But no run gives more samples than
it kept, a number of a tar is used once, the funnel adds up, models are those of the configuration's backends,
and limits that were set for a build are those that its samples were judged by.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

from sparkle.schemas import layout
from sparkle.schemas.layout import What
from sparkle.schemas.validate import Finding

# What takes samples out of those that a run kept.
_TAKING = ("themes", "ids", "exclude", "core")


def check_provenance(
    document: Mapping[str, Any], samples: Mapping[str, int], files: Set[str]
) -> Iterator[Finding]:
    """Yield what contradicts the release, or itself.

    Args:
        document: A provenance that follows its schema.
        samples: How many samples each theme has.
        files: Every path of the release.
    """
    for pointer, problem, got, wanted in (
        *_check_count(document, sum(samples.values())),
        *_check_numbers(document.get("next_parts"), files),
        *_check_paired(document["options"].get("webdataset"), samples, files),
        *(
            misfit
            for number, run in enumerate(document["runs"])
            for misfit in _check_run(document, number, run)
        ),
    ):
        yield Finding(layout.PROVENANCE, 0, pointer, problem, str(got), str(wanted))


_Misfits = Iterator[tuple[str, str, object, object]]  # pointer, problem, got, wanted


def _check_count(document: Mapping[str, Any], count: int) -> _Misfits:
    runs, chosen = document["runs"], document["options"].get("selection", {})
    kept = sum(run["kept"] for run in runs)
    pointer = "/runs/0/kept" if len(runs) == 1 else "/runs"
    if runs and count > kept:
        yield pointer, "the release has more samples than its runs kept", kept, f"{count} or more"
    elif runs and count < kept and "removed" not in document and not {*_TAKING} & chosen.keys():
        yield (
            pointer,
            "the release has fewer samples than its runs kept, and says nothing of others",
            kept,
            count,
        )
    core = chosen.get("core")
    if core is not None and count != core and ("removed" not in document or count > core):
        yield "/options/selection/core", "the release has another number of samples", core, count


def _check_numbers(recorded: Mapping[str, Mapping[str, int]] | None, files: Set[str]) -> _Misfits:
    """Of each tar that is there the first number that no tar ever had, where the release records those."""
    used: dict[tuple[str, str], int] = {}
    for at in map(layout.parse, files):
        if at.what is What.TAR and at.theme is not None and at.kind is not None and at.part is not None:
            used[at.theme, at.kind.name] = max(at.part, used.get((at.theme, at.kind.name), 0))
    for (theme, kind), part in sorted(used.items()) if recorded is not None else ():
        number = (recorded or {}).get(theme, {}).get(kind, 0)
        if number <= part:
            problem = "a number that no tar ever had is that of one, or below it"
            yield f"/next_parts/{theme}/{kind}", problem, number, f"{part + 1} or more"


def _check_paired(options: Mapping[str, Any] | None, samples: Mapping[str, int], files: Set[str]) -> _Misfits:
    there = {at.theme for at in map(layout.parse, files) if at.what is What.PAIRED}
    wanted = set() if options is None else {theme for theme, count in samples.items() if count}
    if there != wanted:
        problem = "paired shards are of other themes than were asked for"
        got, right = (", ".join(sorted(filter(None, themes))) or "none" for themes in (there, wanted))
        yield "/options/webdataset", problem, got, right


def _check_run(document: Mapping[str, Any], number: int, run: Mapping[str, Any]) -> _Misfits:
    place = f"/runs/{number}"
    yield from _check_funnel(place, run["funnel"], run)
    config = run["config"]
    limits, judged = (
        document["options"].get("selection", {}).get("thresholds", {}),
        config.get("thresholds", {}),
    )
    for name, value in limits.items():
        if judged.get(name) != value:
            problem = "not the limit that was set for the build"
            yield f"{place}/config/thresholds/{name}", problem, judged.get(name), value
    backends = config.get("backends")
    if isinstance(backends, dict):
        wanted = {
            (name, str(table.get("name"))) for name, table in backends.items() if isinstance(table, dict)
        }
        found = {(model["capability"], model["backend"]) for model in run["models"]}
        if found != wanted:
            problem = "not the models of the configuration's backends"
            got, right = (
                ", ".join(f"{key} {name}" for key, name in sorted(of))
                for of in (found - wanted, wanted - found)
            )
            yield f"{place}/models", problem, got or "none of some", right or "no others"


def _check_funnel(place: str, funnel: Sequence[Mapping[str, Any]], run: Mapping[str, Any]) -> _Misfits:
    if not funnel:
        return
    if funnel[0]["in"] != run["candidates"]:
        yield (
            f"{place}/candidates",
            "not as many as the funnel begins with",
            run["candidates"],
            funnel[0]["in"],
        )
    if funnel[-1]["kept"] != run["kept"]:
        yield f"{place}/kept", "not as many as the funnel ends with", run["kept"], funnel[-1]["kept"]
    for index, row in enumerate(funnel):
        left = row["in"] - sum(row["rejected"].values()) - sum(row["failed"].values())
        if row["kept"] != left:
            yield f"{place}/funnel/{index}/kept", "the funnel does not add up", row["kept"], left
    for index, (before, row) in enumerate(pairwise(funnel), 1):
        if row["in"] > before["kept"]:
            problem = "more samples come to a step than passed the one before"
            yield f"{place}/funnel/{index}/in", problem, row["in"], f"at most {before['kept']}"
