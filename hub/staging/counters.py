"""How many requests of each kind came, and how many bytes of bodies went in and out.

A rehearsal shows with them what a publish costs in requests, where the Hub has quotas; tests prove with them
what was not sent twice. Kinds are the names of the routes; a request that no route took is `other`. They
begin at zero with the process.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPERATOR = "/_staging/"  # what the paths of the operator's own requests begin with


class Counters:
    """What was counted."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Begin at zero."""
        with self._turn:
            self._requests: Counter[str] = Counter()
            self._statuses: Counter[str] = Counter()
            self._in: Counter[str] = Counter()
            self._out: Counter[str] = Counter()

    def report(self) -> dict[str, Any]:
        """Requests by kind and by status, bytes in and out by kind, and both in all."""
        with self._turn:
            return {
                "requests": dict(sorted(self._requests.items())),
                "statuses": dict(sorted(self._statuses.items())),
                "bytes_in_by_kind": dict(sorted(self._in.items())),
                "bytes_out_by_kind": dict(sorted(self._out.items())),
                "total": self._requests.total(),
                "bytes_in": self._in.total(),
                "bytes_out": self._out.total(),
            }

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application whose requests are counted when they are over."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not scope["path"].startswith(OPERATOR):
                await self._count(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return counted

    async def _count(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        taken = sent = 0
        status = "dropped"

        async def taking() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal sent, status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)
            sent += len(message.get("body", b""))

        try:
            await app(scope, taking, sending)
        finally:
            kind = getattr(scope.get("route"), "name", "other")
            with self._turn:
                self._requests[kind] += 1
                self._statuses[status] += 1
                self._in[kind] += taken
                self._out[kind] += sent
