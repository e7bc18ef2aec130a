"""`sparkle serve`: a staging hub."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sparkle._extras import install
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import PATH, output_options
from sparkle.schemas.errors import ConfigError


@click.command(cls=Verb, changes=True)
@click.option("--root", type=PATH, required=True, help="The hub's folder; it is made if need be.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Listen on this port; 0 takes any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Listen on this address. Beyond the loopback interface, every request needs a token.",
)
@click.option("--reset-tokens", is_flag=True, help="Revoke every token and print new ones.")
@click.option("--collect", is_flag=True, help="Instead of serving, delete what nothing refers to.")
@click.option("--allow-faults", is_flag=True, help="Let holders of the write token make requests fail.")
@output_options
def serve(
    root: Path,
    port: int,
    host: str,
    reset_tokens: bool,
    collect: bool,
    allow_faults: bool,
    terminal: Terminal,
) -> None:
    """Serve a staging hub: `hf`, `huggingface_hub` and `datasets` use it like the Hub.

    For rehearsing a publish, for clusters without a network, and for tests. It is not a public service: there
    are two tokens, one that may write everywhere and one that may read. They are printed once, at the first
    start; on the loopback interface, public repositories can be read without one.

    With --json, one object is printed as soon as the hub answers.

    Example: sparkle serve --root hub --port 8080
    """
    try:
        from sparkle.hub.staging.server import check_address
        from sparkle.hub.staging.server import serve as serve_hub
        from sparkle.hub.staging.store.root import collect as collect_garbage
        from sparkle.hub.staging.store.root import open_root
        from sparkle.hub.staging.store.tokens import Role, has_tokens
        from sparkle.hub.staging.store.tokens import reset_tokens as make_tokens
    except ImportError as error:
        raise ConfigError(
            "the staging hub needs further libraries", got=error, fix=install("serve")
        ) from None

    address = check_address(host, port)
    with open_root(root) as opened:
        if collect:
            found = asdict(collect_garbage(opened))
            words = ", ".join(f"{count:,} {name}" for name, count in found.items())
            terminal.result(f"deleted: {words}", found)
            return
        tokens: dict[Role, str] = {}
        if reset_tokens or not has_tokens(opened.database):
            tokens = make_tokens(opened.database)

        def ready(url: str) -> None:
            fields = {f"{role}_token": token for role, token in tokens.items()}
            terminal.result(_welcome(root, url, tokens), {"url": url, **fields})

        if not address.loopback:
            terminal.say(_WARNING)
        serve_hub(opened, address, ready, allow_faults=allow_faults)


_WARNING = (
    "warning: other machines can reach this hub over plain HTTP: whoever sees the traffic sees the tokens. "
    "Use it inside a network that you trust, or behind a proxy with TLS."
)


def _welcome(root: Path, url: str, tokens: Mapping[Any, str]) -> str:
    lines = [f"The staging hub in {root} answers at {url}", "", f"export HF_ENDPOINT={url}"]
    if tokens:
        lines += [
            f"export HF_TOKEN={tokens['write']}",
            "",
            f"These tokens are not shown again (--reset-tokens makes new ones). Read-only: {tokens['read']}",
        ]
    else:
        lines.append("export HF_TOKEN=...  # shown at the first start; --reset-tokens makes new ones")
    return "\n".join(lines)
