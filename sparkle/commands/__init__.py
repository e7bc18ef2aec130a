"""The commands `sparkle` and `sparkle-hub`: one module per verb, imported when the verb is called."""

from __future__ import annotations

import importlib
from typing import Any

import click

from sparkle.schemas.version import __version__


class VerbGroup(click.Group):
    """A command whose verbs are imported when they are called.

    Args:
        verbs: Verb -> module below this package and the name of its click command, in the order of help.
    """

    def __init__(self, *, verbs: dict[str, str], **rest: Any) -> None:
        super().__init__(context_settings={"help_option_names": ["-h", "--help"]}, **rest)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of help."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        if cmd_name not in self._verbs:
            return None
        module, _, name = self._verbs[cmd_name].partition(":")
        command: click.Command = getattr(importlib.import_module(f"{__name__}.{module}"), name)
        return command


@click.command(
    cls=VerbGroup,
    verbs={
        "models": "plan:models",
        "plan": "plan:plan",
        "generate": "generate:generate",
        "build": "build:build",
        "validate": "validate:validate",
        "stats": "stats:stats",
        "import": "import_:import_upstream",
        "index": "index:index",
        "card": "card:card",
        "export": "export:export",
    },
)
@click.version_option(__version__, prog_name="sparkle")
def main() -> None:
    """Make, check and read datasets of background-replacement video pairs.

    clips -> generate -> a run folder -> build -> a release that `datasets` loads.

    Exit codes: 0 when all is well, 1 when there are findings, 2 when the command could not run.
    """


@click.command(
    cls=VerbGroup,
    verbs={
        verb: f"{verb}:{verb}"
        for verb in ("diff", "preview", "publish", "pull", "serve", "takedown", "verify")
    },
)
@click.version_option(__version__, prog_name="sparkle-hub")
def hub() -> None:
    """Publish, prove and fetch releases of background-replacement video pairs.

    Exit codes: 0 when all is well, 1 when there are findings, 2 when the command could not run.
    """
