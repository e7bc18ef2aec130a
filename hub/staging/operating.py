"""The operator's routes, for the write token: counters, and faults where the hub was started with them."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sparkle.hub.staging.counters import OPERATOR, Counters
from sparkle.hub.staging.faults import Faults
from sparkle.hub.staging.refusal import bad_request
from sparkle.hub.staging.web import read_json, writer_of


def operator_routes(counters: Counters, faults: Faults | None) -> list[Route]:
    """GET counters, DELETE counters (begin at zero), PUT faults."""

    def show(request: Request) -> Response:
        writer_of(request)
        return JSONResponse(counters.report() | {"faults": dict(faults.acted) if faults else {}})

    def reset(request: Request) -> Response:
        writer_of(request)
        counters.reset()
        if faults is not None:
            faults.acted.clear()
        return JSONResponse({})

    async def set_rules(request: Request) -> Response:
        writer_of(request)
        if faults is None:
            raise bad_request("this hub was started without --allow-faults")
        faults.set_rules(await read_json(request))
        return JSONResponse({})

    return [
        Route(f"{OPERATOR}counters", show, methods=["GET"], name="counters"),
        Route(f"{OPERATOR}counters", reset, methods=["DELETE"], name="counters"),
        Route(f"{OPERATOR}faults", set_rules, methods=["PUT"], name="faults"),
    ]
