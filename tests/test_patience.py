"""How long one waits for a service that is busy."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from sparkle._patience import BUSY, seconds_asked, waiting_time


def test_only_what_may_pass_by_itself_is_worth_a_wait() -> None:
    assert {408, 425, 429, 500, 502, 503, 504} == BUSY


def test_waits_double_up_to_half_a_minute() -> None:
    first = waiting_time(1, None)
    assert first > 0
    assert [waiting_time(failures, None) for failures in (2, 3, 4)] == [2 * first, 4 * first, 8 * first]
    assert waiting_time(50, None) == 30
    assert waiting_time(3, 120.0) == 120
    assert waiting_time(3, 0.0) == 4 * first  # "at once" is not what a busy service means
    assert waiting_time(2, None, first=0.1) == 0.2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "5"}, 5),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "tomorrow"}, None),
        ({"RateLimit": '"api";r=12;t=55'}, None),
        ({"RateLimit": '"api";r=0;t=55'}, 55),
        ({"RateLimit": '"api";r=0;t=55', "Retry-After": "5"}, 5),
    ],
)
def test_what_an_answer_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert seconds_asked(headers) == seconds


def test_a_date_may_be_asked_for() -> None:
    far, past = (format_datetime(datetime(year, 1, 1, tzinfo=UTC), usegmt=True) for year in (2999, 1999))
    assert (seconds_asked({"Retry-After": far}) or 0) > 10**9
    assert seconds_asked({"Retry-After": past}) == 0
