"""What the operator of a hub can do besides: make requests fail on demand, and count them.

Faults are for rehearsals of a bad day and for tests, and only where the hub was started with them. Rules are
tried in order; the first whose pattern is found in `METHOD /path?query` and whose turn it is acts:

    {"match": "POST .*/commit/", "next": 1, "action": "lose"}

- match: a regular expression, searched; everything where it is left out.
- every: it acts on every Nth request that matches.
- next: it acts on the next N that match, after `skip` others, and then never again.
- seconds: it acts for so long from the first request that matches.
- action: what it does:
  - status: answer with `status` (503), and `retry_after` seconds where they are given;
  - drop: hang up without doing anything, nor reading the body: an upload that is dropped has cost nothing;
  - lose: do what was asked, and hang up instead of answering;
  - cut: hang up after `bytes` (0) of the answer's body;
  - change: answer with the lowest bit of the body's byte number `bytes` flipped;
  - delay: wait `wait` seconds first.

Counters begin at zero with the process. A rehearsal shows with them what a publish costs in requests, where
the Hub has quotas; tests prove with them what was not sent twice. Kinds are the names of the routes; a
request that no route took is `other`. What is answered is counted before it leaves, so that whoever has the
answer finds it in the counters.
"""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections import Counter
from typing import Annotated, Any, Literal

import msgspec
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sparkle.hub.staging.store.refusal import bad_request

OPERATOR = "/_staging/"  # what the paths of the operator's own requests begin with
_GONE_IN = 0.05  # seconds in which what was sent leaves before the connection goes


class FaultRule(msgspec.Struct, forbid_unknown_fields=True):
    """One rule; see the head of this file."""

    action: Literal["status", "drop", "lose", "cut", "change", "delay"]
    match: str = ""
    every: Annotated[int, msgspec.Meta(ge=1)] | None = None
    next: int | None = None
    skip: int = 0
    seconds: float | None = None
    status: int = 503
    retry_after: float | None = None
    bytes: int = 0
    wait: float = 0.0


class _Armed:
    """A rule, and what it has seen."""

    def __init__(self, rule: FaultRule) -> None:
        self.rule = rule
        self._pattern = re.compile(rule.match)
        self._seen = 0
        self._ends = float("inf")

    def is_its_turn(self, line: str) -> bool:
        """Say whether the rule acts on a request, and count those that match."""
        if not self._pattern.search(line):
            return False
        self._seen += 1
        number, rule = self._seen - self.rule.skip, self.rule
        if number == 1 and rule.seconds is not None:
            self._ends = time.monotonic() + rule.seconds
        return (
            number >= 1
            and (rule.next is None or number <= rule.next)
            and (rule.every is None or number % rule.every == 0)
            and time.monotonic() <= self._ends
        )


class Faults:
    """The rules, and what they did: `acted` counts by action."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._armed: list[_Armed] = []
        self.acted: Counter[str] = Counter()

    def set_rules(self, rules: object) -> None:
        """Replace the rules; raises Refusal for what is none."""
        try:
            armed = [_Armed(rule) for rule in msgspec.convert(rules, list[FaultRule])]
        except (msgspec.ValidationError, re.error) as error:
            raise bad_request(f"not rules for faults: {error}") from None
        with self._turn:
            self._armed = armed

    def _choose(self, scope: Scope) -> FaultRule | None:
        """Return the rule whose turn it is for a request."""
        query = scope["query_string"].decode("latin-1")
        line = f"{scope['method']} {scope['raw_path'].decode('latin-1')}" + (f"?{query}" if query else "")
        with self._turn:
            return next((armed.rule for armed in self._armed if armed.is_its_turn(line)), None)

    def around(self, app: ASGIApp) -> ASGIApp:
        """Make requests of an application fail by the rules; nothing may be between it and the server."""

        async def failing(scope: Scope, receive: Receive, send: Send) -> None:
            served = scope["type"] == "http" and not scope["path"].startswith(OPERATOR)
            rule = self._choose(scope) if served else None
            if rule is None:
                await app(scope, receive, send)
            else:
                self.acted[rule.action] += 1
                await _act(rule, app, scope, receive, send)

        return failing


async def _act(rule: FaultRule, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Do to a request what a rule says."""
    match rule.action:
        case "status":
            await _refusal(rule)(scope, receive, send)
        case "drop":
            _hang_up(receive)
            while (await receive())["type"] != "http.disconnect":
                pass
        case "delay":
            await asyncio.sleep(rule.wait)
            await app(scope, receive, send)
        case _:
            await app(scope, receive, _Spoiled(rule, receive, send))


class _Spoiled:
    """A `send` that loses, cuts or changes an answer."""

    def __init__(self, rule: FaultRule, receive: Receive, send: Send) -> None:
        self._rule = rule
        self._receive = receive
        self._send = send
        self._left = rule.bytes  # bytes of the body before the one that is meant
        self._over = False

    async def __call__(self, message: Message) -> None:
        """Send a message of the answer, or what is left of it."""
        body: bytes = message.get("body", b"")
        at, self._left = self._left, self._left - len(body)
        if self._rule.action == "lose":
            if message["type"] == "http.response.body" and not message.get("more_body"):
                _hang_up(self._receive)
        elif self._rule.action == "change":
            if 0 <= at < len(body):
                message = {**message, "body": body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]}
            await self._send(message)
        elif message["type"] == "http.response.body" and at <= len(body):
            if not self._over:
                await self._send({"type": message["type"], "body": body[:at], "more_body": True})
                await asyncio.sleep(_GONE_IN)
                _hang_up(self._receive)
            self._over = True
        else:
            await self._send(message)


def _refusal(rule: FaultRule) -> JSONResponse:
    headers = {"X-Error-Code": "Fault", "X-Error-Message": "a fault that was asked for"}
    if rule.retry_after is not None:
        headers["Retry-After"] = f"{rule.retry_after:g}"
    return JSONResponse({"error": headers["X-Error-Message"]}, rule.status, headers)


def _hang_up(receive: Receive) -> None:
    """Close a connection without another word.

    ASGI has no way to say it; in uvicorn `receive` is a method of the request's cycle, which has
    the transport.
    """
    cycle: Any = receive
    cycle.__self__.transport.abort()


class Counters:
    """How many requests of each kind came, and how many bytes of bodies went in and out."""

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
        """Return requests by kind and by status, bytes in and out by kind, and both in all."""
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
        """Count requests of an application when they are answered, or have ended without an answer."""

        async def counted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and not scope["path"].startswith(OPERATOR):
                await self._count(app, scope, receive, send)
            else:
                await app(scope, receive, send)

        return counted

    async def _count(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        taken, answered = 0, False

        def count(status: str | None = None, sent: int = 0) -> None:
            nonlocal taken, answered
            kind = getattr(scope.get("route"), "name", "other")
            with self._turn:
                if status is not None:
                    self._requests[kind] += 1
                    self._statuses[status] += 1
                    answered = True
                self._in[kind] += taken
                self._out[kind] += sent
            taken = 0

        async def taking() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            begins = message["type"] == "http.response.start"
            count(str(message["status"]) if begins else None, len(message.get("body", b"")))
            await send(message)

        try:
            await app(scope, taking, sending)
        finally:
            count(None if answered else "dropped")
