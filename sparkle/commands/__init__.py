"""The `sparkle` command: each floor keeps its verbs in its own `cli` and is imported when asked for.

The `sparkle-hub` command: each verb stands in a file of its own, imported when it is asked for.

A click command whose verbs stand in modules that are imported only when they are asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from sparkle.schemas.version import __version__


class LazyGroup(click.Group):
    """A group of verbs.

    Args:
        verbs: Verb -> (module, name of its click command in it), in the order in which help lists them.
    """

    def __init__(self, *, verbs: Mapping[str, tuple[str, str]], **rest: Any) -> None:
        super().__init__(**rest)
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of help."""
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A verb's command; its module is imported now."""
        if cmd_name not in self._verbs:
            return None
        module, name = self._verbs[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command


# --- the `sparkle` command -------------------------------------------------------------------------


# Verb -> (module, its click command).
_VERBS: dict[str, tuple[str, str]] = {
    "models": ("sparkle.commands.plan", "models"),
    "plan": ("sparkle.commands.plan", "plan"),
    "generate": ("sparkle.commands.generate", "generate"),
    "build": ("sparkle.commands.build", "build"),
    "validate": ("sparkle.commands.build", "validate"),
    "stats": ("sparkle.commands.stats", "stats"),
    "import": ("sparkle.commands.import_", "import_upstream"),
    "index": ("sparkle.commands.index", "index"),
    "card": ("sparkle.commands.card", "card"),
    "export": ("sparkle.commands.export", "export"),
}


@click.command(cls=LazyGroup, verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparkle")
def main() -> None:
    """Make and check datasets of background-replacement video pairs.

    clips -> generate -> a run folder -> build -> a release that `datasets` loads.
    """


# --- the `sparkle-hub` command ---------------------------------------------------------------------


# Verb -> (module, its click command).
_HUB_VERBS: dict[str, tuple[str, str]] = {
    "diff": ("sparkle.commands.diff", "diff"),
    "preview": ("sparkle.commands.preview", "preview"),
    "publish": ("sparkle.commands.publish", "publish"),
    "pull": ("sparkle.commands.pull", "pull"),
    "serve": ("sparkle.commands.serve", "serve"),
    "takedown": ("sparkle.commands.takedown", "takedown"),
    "verify": ("sparkle.commands.verify", "verify"),
}


@click.command(cls=LazyGroup, verbs=_HUB_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparkle-hub")
def hub() -> None:
    """Publish and prove releases of background-replacement video pairs.

    Exit code 0 when all is well, 1 when something is wrong with a release, 2 for wrong usage.
    """
