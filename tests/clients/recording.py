"""A pytest plugin: which tests reached the staging hub, and how they ended, as JSON lines.

A test counts as one of the server where a request came to the hub in it or in its fixtures: by the hub's own
counters, so requests of other processes and of hf_xet count too. Nothing but this machine can be reached.

HUB_TESTS_RECORD is the file that is written, HUB_URL and HUB_TOKEN are the hub's.
"""

from __future__ import annotations

import json
import os
import socket
import urllib.request
from collections.abc import Iterator

import pytest

_URL, _TOKEN = os.environ["HUB_URL"], os.environ["HUB_TOKEN"]
_HOME = ("127.0.0.1", "localhost", "::1")
_look_up = socket.getaddrinfo


def _refuse_others(host, *arguments, **options):
    if host not in (*_HOME, None):
        raise socket.gaierror(socket.EAI_NONAME, f"only this machine is asked, not {host}")
    return _look_up(host, *arguments, **options)


def _requests() -> int:
    request = urllib.request.Request(  # noqa: S310
        f"{_URL}/_staging/counters", headers={"Authorization": f"Bearer {_TOKEN}"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as answer:
        return json.load(answer)["total"]


def pytest_configure() -> None:
    socket.getaddrinfo = _refuse_others


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    before = _requests()
    item.stash[_REPORTS] = []
    try:
        return (yield)
    finally:
        reports = item.stash[_REPORTS]
        bad = next((report for report in reports if report.failed), None)
        skipped = any(report.skipped for report in reports)
        record = {
            "test": item.nodeid.partition("/")[2],
            "reached": _requests() > before,
            "outcome": "failed" if bad else "skipped" if skipped else "passed",
            "said": "" if bad is None else _last_line(bad),
        }
        with open(os.environ["HUB_TESTS_RECORD"], "a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


_REPORTS = pytest.StashKey[list[pytest.TestReport]]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    item.stash[_REPORTS].append(report)
    return report


def _last_line(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return " ".join(str(crash.message if crash else report.longrepr).split())[:300]
