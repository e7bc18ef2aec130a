"""The commands `sparkle` and `sparkle-hub`: one module per verb, imported when the verb is called.

`sparkle` has every verb. `sparkle-hub` has those of `HUB`, which are the same ones: what a release does among
other people.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import threading
from collections.abc import Mapping
from typing import Any

import click

from sparkle.commands.reader import ended_by_its_reader
from sparkle.schemas.version import __version__

HUB = ("publish", "verify", "preview", "diff", "pull", "takedown", "serve")

# Verbs in the order of help, by heading.
_SECTIONS = {
    "Make a dataset": (
        "config",
        "models",
        "plan",
        "generate",
        "status",
        "build",
        "validate",
        "show",
        "stats",
        "card",
    ),
    "Read one": ("import", "index", "export", "train"),
    "Judge models": ("bench",),
    "Share one": HUB,
    "Machines": ("cache", "cluster"),
}
# Where a verb is that has not a module of its own name.
_HOMES = {"import": "import_:import_upstream", "models": "plan:models"}


class VerbGroup(click.Group):
    """A command whose verbs are imported when they are called.

    Args:
        sections: Verbs in the order of help, by heading.
        homes: Module and name of verbs that have not a module of their own name.
    """

    def __init__(
        self, *, sections: dict[str, tuple[str, ...]], homes: Mapping[str, str] = _HOMES, **rest: Any
    ) -> None:
        super().__init__(context_settings={"help_option_names": ["-h", "--help"]}, **rest)
        self._sections = sections
        self._homes = homes

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of help."""
        return [verb for verbs in self._sections.values() for verb in verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in self.list_commands(ctx):
            return None
        module, _, name = self._homes.get(cmd_name, f"{cmd_name}:{cmd_name}").partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that a command line begins with; a usage error names the one that may be meant."""
        verb = args[0]
        if not verb.startswith("-") and verb not in self.list_commands(ctx):
            ctx.fail(f"no such command: {verb}. {_meant(verb, ctx.command_path, self.list_commands(ctx))}")
        return super().resolve_command(ctx, args)

    @ended_by_its_reader()
    def main(self, *args: Any, **extra: Any) -> Any:
        """Run; a program that is interrupted does not wait for what its threads are still sending."""
        try:
            return super().main(*args, **extra)
        except SystemExit as ending:
            if not args and not extra and ending.code == 130 and threading.active_count() > 1:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(130)
            raise

    @ended_by_its_reader()
    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Parse a command line, which may print help; click would end with 1 where nobody reads it."""
        return super().make_context(*args, **extra)

    @ended_by_its_reader()
    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb; one that is interrupted before it begins ends as it does later."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("interrupted; nothing was changed", file=sys.stderr)
            raise SystemExit(130) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the verbs below their headings, with the first sentence of each in full."""
        for heading, verbs in self._sections.items():
            rows = []
            for verb in verbs:
                command = self.get_command(ctx, verb)
                rows.append((verb, command.get_short_help_str(limit=200) if command else ""))
            with formatter.section(heading):
                formatter.write_dl(rows)


def _meant(verb: str, command: str, verbs: list[str]) -> str:
    others = [other for group in _SECTIONS.values() for other in group if other not in verbs]
    if verb in others:
        return f"Did you mean `sparkle {verb}`?"
    close = difflib.get_close_matches(verb, verbs, n=1)
    return f"Did you mean `{command} {close[0]}`?" if close else f"`{command} --help` lists them."


@click.command(name="sparkle", cls=VerbGroup, sections=_SECTIONS)
@click.version_option(__version__, prog_name="sparkle")
def main() -> None:
    """Make, check, share and read datasets of background-replacement video pairs.

    clips -> generate -> a run folder -> build -> a release that `datasets` loads -> publish.

    Exit codes: 0 when all is well, 1 when there are findings, 2 when the command could not run.
    """


@click.command(name="sparkle-hub", cls=VerbGroup, sections={"Commands": HUB})
@click.version_option(__version__, prog_name="sparkle-hub")
def hub() -> None:
    """Publish, prove and fetch releases of background-replacement video pairs.

    These are commands of `sparkle` too: `sparkle publish` is `sparkle-hub publish`.

    Exit codes: 0 when all is well, 1 when there are findings, 2 when the command could not run.
    """
