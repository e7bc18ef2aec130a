"""`sparkle-hub serve`: a staging hub."""

from __future__ import annotations

from pathlib import Path

import click

from sparkle.schemas.terminal import Terminal


@click.command()
@click.option(
    "--root", type=click.Path(path_type=Path), required=True, help="The hub's folder; made if need be."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0: any free one."
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Elsewhere, everything wants a token.")
@click.option("--reset-tokens", is_flag=True, help="Forget every token and print new ones.")
@click.option("--collect", is_flag=True, help="Instead of serving, delete what nothing refers to.")
@click.option("--allow-faults", is_flag=True, help="Let holders of the write token make requests fail.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when the hub answers.")
def serve(
    root: Path, port: int, host: str, reset_tokens: bool, collect: bool, allow_faults: bool, as_json: bool
) -> None:
    """Serve a staging hub: what `hf`, `huggingface_hub` and `datasets` take for the Hub.

    For rehearsing a publish, for clusters without a network, and for tests. It is not a public service: there
    are two tokens, one that may write everywhere and one that may read. They are printed once, at the first
    start; on the loopback interface public repositories are read without one.

    Example: sparkle-hub serve --root hub --port 8080
    """
    terminal = Terminal(as_json=as_json)
    with terminal.guard():
        from sparkle.hub.staging.running import run

        run(root, host, port, terminal, reset=reset_tokens, collect=collect, allow_faults=allow_faults)
