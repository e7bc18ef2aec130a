"""The `sparkle-hub` command: each verb stands in a file of its own, imported when it is asked for."""

from __future__ import annotations

import click

from sparkle.schemas.lazy_group import LazyGroup
from sparkle.schemas.version import __version__

# Verb -> (module, its click command).
_VERBS: dict[str, tuple[str, str]] = {
    "diff": ("sparkle.hub.cli_diff", "diff"),
    "preview": ("sparkle.hub.cli_preview", "preview"),
    "publish": ("sparkle.hub.cli_publish", "publish"),
    "pull": ("sparkle.hub.cli_pull", "pull"),
    "serve": ("sparkle.hub.cli_serve", "serve"),
    "takedown": ("sparkle.hub.cli_takedown", "takedown"),
    "verify": ("sparkle.hub.cli_verify", "verify"),
}


@click.command(cls=LazyGroup, verbs=_VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sparkle-hub")
def main() -> None:
    """Publish and prove releases of background-replacement video pairs.

    Exit code 0 when all is well, 1 when something is wrong with a release, 2 for wrong usage.
    """
