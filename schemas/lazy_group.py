"""A click command whose verbs stand in modules that are imported only when they are asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click


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
