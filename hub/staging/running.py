"""What `sparkle-hub serve` does, and what it says."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from sparkle.schemas.errors import ConfigError
from sparkle.schemas.terminal import Terminal

try:
    from sparkle.hub.staging.collecting import collect as collect_garbage
    from sparkle.hub.staging.root import open_root
    from sparkle.hub.staging.server import check_address, serve
    from sparkle.hub.staging.tokens import Role, has_tokens, reset_tokens
except ImportError as error:
    raise ConfigError(
        "the staging hub needs further libraries",
        got=error,
        fix="pip install 'sparkle-dataset[serve]'",
    ) from None


def run(
    root: Path, host: str, port: int, terminal: Terminal, *, reset: bool, collect: bool, allow_faults: bool
) -> None:
    """Serve the hub in a folder until it is stopped, or collect its garbage."""
    address = check_address(host, port)
    with open_root(root) as opened:
        if collect:
            found = asdict(collect_garbage(opened))
            words = ", ".join(f"{count:,} {name}" for name, count in found.items())
            terminal.result(f"deleted: {words}", found)
            return
        tokens: dict[Role, str] = {}
        if reset or not has_tokens(opened.database):
            tokens = reset_tokens(opened.database)

        def ready(url: str) -> None:
            fields = {f"{role}_token": token for role, token in tokens.items()}
            terminal.result(_welcome(root, url, tokens), {"url": url, **fields})

        if not address.loopback:
            terminal.say(_WARNING)
        serve(opened, address, ready, allow_faults=allow_faults)


_WARNING = (
    "warning: other machines reach this hub, by plain HTTP: whoever sees the traffic sees the tokens. "
    "Use it inside a network that you trust, or behind a proxy with TLS."
)


def _welcome(root: Path, url: str, tokens: dict[Role, str]) -> str:
    lines = [f"The staging hub in {root} answers at {url}", "", f"export HF_ENDPOINT={url}"]
    if tokens:
        lines += [
            f"export HF_TOKEN={tokens['write']}",
            "",
            f"These tokens are not shown again (--reset-tokens makes others). To read only: {tokens['read']}",
        ]
    else:
        lines.append("export HF_TOKEN=...  # shown at the first start; --reset-tokens makes others")
    return "\n".join(lines)
