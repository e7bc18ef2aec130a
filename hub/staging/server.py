"""A staging hub is started and runs until it is told to stop.

It listens on the loopback interface unless it is told otherwise, and then nobody gets anything without a
token. Requests in flight are finished when it stops; a kill loses only what nobody was told of.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from sparkle.hub.staging.app import make_app, operator_routes
from sparkle.hub.staging.faults import Counters, Faults
from sparkle.hub.staging.routes.web import Hub
from sparkle.hub.staging.store.root import Root
from sparkle.hub.staging.store.tokens import Signer
from sparkle.schemas.errors import ConfigError

_STOP_SECONDS = 10  # for requests in flight
_KEEP_ALIVE_SECONDS = 60  # longer than the client's, so that it is not the server that closes under a request


@dataclass(frozen=True)
class Address:
    """Where a hub listens: port 0 is any free one; `loopback`: whether only this machine reaches it."""

    host: str
    port: int
    loopback: bool


def check_address(host: str, port: int) -> Address:
    """Look up where to listen; raises ConfigError when the host is not an address of this machine."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise ConfigError("not an address to listen on", got=f"{host}: {error}", where="--host") from None
    loopback = all(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]).is_loopback for entry in found)
    return Address(host, port, loopback)


def serve(root: Root, address: Address, ready: Callable[[str], None], *, allow_faults: bool = False) -> None:
    """Serve a hub until SIGINT or SIGTERM.

    Args:
        root: The hub's folder.
        address: Where to listen.
        ready: Called with the hub's URL when it answers.
        allow_faults: Whether faults may be asked for; see `faults`.

    Raises:
        ConfigError: the port is taken.
    """
    hub = Hub(root.database, root.blobs, Signer(root.path / "secret"), anonymous=address.loopback)
    counters, faults = Counters(), Faults() if allow_faults else None
    app = counters.around(make_app(hub, operator_routes(counters, faults)))
    if faults is not None:
        app = faults.around(app)
    listener = _listen(address)
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # signed URLs have no business in a log
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    with listener:
        host = f"[{address.host}]" if ":" in address.host else address.host
        server = _Server(config, lambda: ready(f"http://{host}:{listener.getsockname()[1]}"))
        with _signals_end_it():
            server.run(sockets=[listener])


@contextmanager
def _signals_end_it() -> Iterator[None]:
    """Let the signals that end the server, which raises them again, not end the process before it is tidy."""
    ending = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in ending}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Server(uvicorn.Server):
    """Tells when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        self._ready()


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family, backlog=512)
    except OSError as error:
        raise ConfigError(
            "the hub cannot listen there",
            got=error.strerror or error,
            where=f"{address.host}:{address.port}",
            fix="give --port another number; 0 takes any that is free",
        ) from None
