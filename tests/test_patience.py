"""How long one waits for a service that is busy."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import islice

import pytest

from sparkle._patience import BUSY, doubling_waits, retry_after


def test_only_what_may_pass_by_itself_is_worth_a_wait():
    assert {408, 425, 429, 500, 502, 503, 504} == BUSY


def test_each_wait_is_twice_as_long():
    assert list(islice(doubling_waits(0.5), 4)) == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(("value", "wait"), [("7", 7.0), ("0.5", 0.5), ("soon", 0.0), ("", 0.0)])
def test_a_service_asks_for_seconds(value, wait):
    assert retry_after({"Retry-After": value}) == wait
    assert retry_after({}) == 0.0


def test_a_service_asks_for_a_date():
    far, past = (format_datetime(datetime(year, 1, 1, tzinfo=UTC), usegmt=True) for year in (2999, 1999))
    assert retry_after({"Retry-After": far}) > 10**9
    assert retry_after({"Retry-After": past}) < 0
