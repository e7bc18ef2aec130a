"""The tables of a theme out of upstream's text and what was indexed, and what belongs to no table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sparkle.builders.upstream_csv import read_pairs
from sparkle.builders.upstream_files import UpstreamFiles, UpstreamTar
from sparkle.builders.upstream_index import Index
from sparkle.builders.upstream_lines import read_lines
from sparkle.builders.upstream_places import place_artifacts
from sparkle.builders.upstream_tables import write_pairs, write_records
from sparkle.schemas import layout
from sparkle.schemas.validate import Finding


def tables_of(theme: str) -> tuple[str, str]:
    """The paths of a theme's pairs and records."""
    return layout.data_parquet(theme, 0, 1), layout.records_parquet(theme)


def write_theme(target: Path, files: UpstreamFiles, index: Index, theme: str, findings: list[Finding]) -> int:
    """Write a theme's two tables; returns how many samples it has, none of which is written when it has none.

    Args:
        target: Where the tables go.
        files: What stands where; the text files are in its folder.
        index: Its artifacts, which were read before.
        theme: The theme.
        findings: What is wrong is added here.
    """
    pairs = read_pairs(files.folder, theme, findings)
    if not pairs.ids:
        findings.append(Finding(layout.prompts_csv(theme), 0, "", "no row of the table can be used"))
        return 0
    told = read_lines(files.folder, theme, pairs, frozenset(files.text), findings)
    units = ((unit, index.load(unit)) for unit in index.units if unit.theme == theme)
    places = place_artifacts(theme, pairs, units, findings)
    data, records = tables_of(theme)
    write_pairs(target / data, pairs, told, places)
    write_records(target / records, files.folder, theme, pairs, told)
    return len(pairs.ids)


def left_out(files: UpstreamFiles, index: Index) -> Iterator[Finding]:
    """Files that stand in no table of ours: of a theme without a table of pairs, or not of the layout."""
    for unit in index.units:
        if unit.theme not in files.themes:
            path = unit.path if isinstance(unit, UpstreamTar) else unit.folder
            wanted = layout.prompts_csv(unit.theme)
            yield Finding(path, 0, "", "its theme has no table of pairs", wanted=wanted)
    for problem, paths in (
        ("not a file of the layout, and left out", files.others),
        ("a link to no file of the folder, and left out", files.links),
    ):
        yield from (Finding(path, 0, "", problem) for path in paths)
