"""Options that several verbs share; nothing heavy is imported."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sparkle.commands.console import Terminal
from sparkle.generation.run.schedules import AUTO, SCHEDULES
from sparkle.schemas.errors import ConfigError
from sparkle.schemas.ids import THEMES

if TYPE_CHECKING:
    from sparkle.generation.config import Resolved

# Names of TRAINERS and FURTHER in `sparkle.builders.training.trainers`, which is not imported for `--help`.
TRAINERS = ("kiwi", "diffsynth", "musubi")
FURTHER = ("mask", "canny", "reference")

PATH = click.Path(path_type=Path)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Size(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A number of bytes, such as 5GB."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes; a usage error for what is not a size."""
        from sparkle._progress import parse_size

        try:
            return parse_size(str(value))
        except ConfigError as error:
            self.fail(f"{error.problem}: got {error.got}, wanted {error.wanted}", param, ctx)


class Names(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """Some of the names that there are, separated by commas.

    Args:
        known: The names.
    """

    name = "names"

    def __init__(self, known: Iterable[str]) -> None:
        self._known = tuple(known)

    def convert(
        self, value: str | tuple[str, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names; a usage error for one that is unknown or repeated."""
        names = tuple(value.split(",")) if isinstance(value, str) else value
        if not set(names) <= set(self._known) or len(set(names)) != len(names):
            self.fail(f"got {value}, wanted some of {','.join(self._known)}, each once", param, ctx)
        return names


class _Limit(click.ParamType):  # type: ignore[type-arg] # generic since click 8.4
    """A limit, such as edited_video=9."""

    name = "limit"

    def convert(
        self, value: str | tuple[str, float], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, float]:
        """Return name and number; a usage error for anything else."""
        if not isinstance(value, str):
            return value
        name, _, digits = value.partition("=")
        try:
            number = float(digits)
        except ValueError:
            number = math.nan
        if not name or not math.isfinite(number):
            self.fail(f"not a limit: got {value!r}, wanted NAME=NUMBER, such as edited_video=9", param, ctx)
        return name, number


def _limits(
    ctx: click.Context, param: click.Parameter, values: tuple[tuple[str, float], ...]
) -> dict[str, float]:
    found = dict(values)
    if len(found) < len(values):
        raise click.BadParameter("each name once")
    return found


def options(*group: Callable[[Any], Any]) -> Callable[[_Command], _Command]:
    """Make one decorator of several."""

    def add(command: _Command) -> _Command:
        for option in reversed(group):
            command = option(command)
        return command

    return add


def _note(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    ctx.meta[f"{__name__}.{param.name}"] = value


def _terminal(ctx: click.Context, param: click.Parameter, value: bool) -> Terminal:
    words = ("quiet", "verbose", "no_progress")
    return Terminal(as_json=value, **{word: ctx.meta[f"{__name__}.{word}"] for word in words})


def _flag(*names: str, text: str) -> Callable[[Any], Any]:
    return click.option(*names, is_flag=True, is_eager=True, expose_value=False, callback=_note, help=text)


# How a command prints: its parameter `terminal`. Those before `--json` are eager, so that it finds them.
output_options = options(
    _flag("-q", "--quiet", text="Print the result and errors only."),
    _flag("-v", "--verbose", text="Also print the traceback of an error."),
    _flag("--no-progress", text="Draw no progress bars."),
    click.option(
        "--json",
        "terminal",
        is_flag=True,
        callback=_terminal,
        help="Print one JSON object instead of text.",
    ),
)
theme_option = click.option(
    "--theme", "themes", multiple=True, type=click.Choice(THEMES), help="Only this theme. Repeatable."
)
ids_from_option = click.option("--ids-from", type=FILE, help="Only the ids in this file, one per line.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Number of worker processes.  [default: one per CPU]",
)
schedule_option = click.option(
    "--schedule",
    type=click.Choice(SCHEDULES),
    default=AUTO,
    show_default=True,
    help="Streaming: each sample moves on at once, GPUs hold several models. By-step: one model at a time. "
    "Auto: streaming where every model finds room.",
)
config_options = options(
    click.option(
        "--config",
        metavar="NAME|FILE",
        help="A configuration of the package, as `sparkle config list` names them, or a TOML file.  "
        "[default: classical, the CPU backend]",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        help="What differs from it, such as encoding.crf=23: as if its file said so. Repeatable.",
    ),
)
bench_option = click.option(
    "--bench",
    type=FOLDER,
    help="Check that no source video of this bench is one of the release, or looks like one.",
)
accept_option = click.option(
    "--accept",
    type=FILE,
    help="Pairs that look alike and are not: an id of the bench and one of the release per line.",
)
report_option = click.option(
    "--report", type=NEW_FILE, help="Write every finding to this file, as JSON lines."
)


def read_config(chosen: str | None, settings: Sequence[str]) -> Resolved:
    """Return the configuration of `config_options`, with every backend's options checked."""
    from sparkle.generation.backends import check_backends
    from sparkle.generation.config import resolve_config

    resolved = resolve_config(chosen, settings)
    check_backends(resolved)
    return resolved


def limit_options(least: str, most: str) -> Callable[[_Command], _Command]:
    """Make `--min` and `--max`: `min_scores` and `max_scores`, numbers by name.

    Args:
        least: Help of the one, without "Repeatable.".
        most: Help of the other.
    """
    words = {"min": least, "max": most}
    return options(
        *(
            click.option(
                f"--{name}",
                f"{name}_scores",
                type=_Limit(),
                metavar="NAME=NUMBER",
                multiple=True,
                callback=_limits,
                help=f"{text} Repeatable.",
            )
            for name, text in words.items()
        )
    )


filter_options = limit_options(
    "Only pairs with at least this score or measure, such as edited_video=9.",
    "Only pairs with at most this score or measure, such as frames=81.",
)


def out_option(text: str) -> Callable[[_Command], _Command]:
    """Make the option that names what is written."""
    return click.option("--out", required=True, type=PATH, help=text)
