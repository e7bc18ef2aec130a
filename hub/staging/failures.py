"""What goes wrong below a route becomes an answer that says so.

A full disk is 507 wherever it shows: in a file or in the database. What nobody foresaw is 500, and its
traceback goes to standard error.
"""

from __future__ import annotations

import errno
import sqlite3
import sys
import traceback

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from sparkle.hub.staging.refusal import Refusal, disk_full

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_CLIENT_GONE = 499  # what servers write down for a client that hung up; nobody reads the answer


def refusal_of(error: BaseException) -> Refusal:
    """The refusal that an error means."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, OSError) and error.errno in _FULL:
        return disk_full()
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return disk_full()
    if isinstance(error, ClientDisconnect):
        return Refusal(_CLIENT_GONE, "ClientClosedRequest", "the client went away")
    if isinstance(error, HTTPException):
        return Refusal(error.status_code, str(error.detail).replace(" ", ""), str(error.detail))
    traceback.print_exception(error, file=sys.stderr)
    return Refusal(500, "InternalError", f"the staging hub failed: {type(error).__name__}")


def answer_failure(request: Request, error: Exception) -> Response:
    """The answer to a request that failed."""
    refusal = refusal_of(error)
    headers = {
        **refusal.headers,
        "X-Error-Code": refusal.code,
        "X-Error-Message": refusal.message.encode("ascii", "replace").decode().replace("\n", " "),
    }
    return JSONResponse({"error": refusal.message, **refusal.extra}, refusal.status, headers)
