"""The `sparkle` command: each floor keeps its verbs in its own `cli` and is imported when asked for."""

from __future__ import annotations

import click

from sparkle.schemas.lazy_group import LazyGroup
from sparkle.schemas.version import __version__

# Verb -> (module, its click command).
_VERBS: dict[str, tuple[str, str]] = {
    "models": ("sparkle.generation.cli_plan", "models"),
    "plan": ("sparkle.generation.cli_plan", "plan"),
    "generate": ("sparkle.generation.cli", "generate"),
    "build": ("sparkle.builders.cli", "build"),
    "validate": ("sparkle.builders.cli", "validate"),
    "stats": ("sparkle.builders.cli_stats", "stats"),
    "import": ("sparkle.builders.cli_import", "import_upstream"),
    "index": ("sparkle.builders.cli_index", "index"),
    "card": ("sparkle.builders.cli_card", "card"),
    "export": ("sparkle.builders.cli_export", "export"),
}


@click.command(cls=LazyGroup, verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparkle")
def main() -> None:
    """Make and check datasets of background-replacement video pairs.

    clips -> generate -> a run folder -> build -> a release that `datasets` loads.
    """
