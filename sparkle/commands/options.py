"""The options of `sparkle build` that choose what a release holds, as click has them.

They are read by `selection.make_selection` and `webdataset.make_options`; nothing but click is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import THEMES
from sparkle.schemas.layout import KIND_BY_NAME, KINDS

C = TypeVar("C", bound=Callable[..., Any])


class Size(click.ParamType[int]):
    """Bytes of "5GB" and the like."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes; a usage error when it is not a size."""
        from sparkle.builders.release.assign import parse_size

        try:
            return parse_size(str(value))
        except ConfigError as error:
            self.fail(f"{error.problem}: got {error.got}, wanted {error.wanted}", param, ctx)


_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_SELECTION = (
    click.option(
        "--min",
        "at_least",
        metavar="NAME=NUMBER",
        multiple=True,
        help="Another lower limit than the run's, such as edited_video=8.2. Repeatable.",
    ),
    click.option(
        "--max",
        "at_most",
        metavar="NAME=NUMBER",
        multiple=True,
        help="Another upper limit than the run's, such as camera_long=0.1. Repeatable.",
    ),
    click.option(
        "--theme", "themes", multiple=True, type=click.Choice(THEMES), help="Only this theme. Repeatable."
    ),
    click.option("--ids-from", type=_FILE, help="Only the ids of this file, one a line."),
    click.option(
        "--exclude", type=_FILE, help="Without the ids of this file: one a line, or a previewer's verdicts."
    ),
    click.option(
        "--core",
        type=click.IntRange(1),
        metavar="N",
        help="Only the N best, in turn from every theme, subtheme and scene.",
    ),
)


_KIND_NAMES = ",".join(kind.name for kind in KINDS)


class _Streams(click.ParamType[tuple[str, ...]]):
    """Names of kinds, separated by commas."""

    name = "streams"

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; a usage error when one is unknown or stands twice."""
        names = tuple(value.split(",")) if isinstance(value, str) else value
        if not set(names) <= KIND_BY_NAME.keys() or len(set(names)) != len(names):
            self.fail(f"got {value}, wanted some of {_KIND_NAMES}, each once", param, ctx)
        return names


_WEBDATASET = (
    click.option(
        "--webdataset",
        "paired_shards",
        is_flag=True,
        help="Also write webdataset/<theme>-NNNNNN.tar, where all streams of a sample stand together.",
    ),
    click.option(
        "--webdataset-streams",
        "streams",
        type=_Streams(),
        metavar="KIND,...",
        help="What they hold besides the JSON: source_video,edited_video,source_video_mask if not given.",
    ),
    click.option(
        "--webdataset-shard-size", "shard_size", type=Size(), help="The most bytes of one: 1GB if not given."
    ),
)


def selection_options(command: C) -> C:
    """Add the options that choose samples."""
    for option in reversed(_SELECTION):
        command = option(command)
    return command


def webdataset_options(command: C) -> C:
    """Add the options of paired shards: `paired_shards`, `streams` and `shard_size`."""
    for option in reversed(_WEBDATASET):
        command = option(command)
    return command
