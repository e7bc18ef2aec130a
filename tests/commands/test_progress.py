"""What is said of long work while it goes on."""

from __future__ import annotations

import pytest

from sparkle._progress import count_text, size_text, time_text
from sparkle.commands.console import Terminal
from sparkle.commands.progress import Watch, told


@pytest.mark.parametrize(
    ("unit", "done", "total", "seconds", "text"),
    [
        ("", 0, 200, 60.0, "0 of 200"),
        ("", 1, 200, 0.5, "1 of 200"),  # the first unit says little
        ("", 50, 200, 25.0, "50 of 200, 2.0/s, about 75 s left"),
        ("", 3, 6, 90.0, "3 of 6, 2.0/min, about 2 min left"),
        ("", 200, 200, 7200.0, "200 of 200 in 2.0 h"),
        ("MB", 1200, 60000, 100.0, "1,200 of 60,000 MB, 12.0 MB/s, about 82 min left"),
        ("MB", 1, 4, 10.0, "1 of 4 MB, 0.1 MB/s, about 30 s left"),
        ("%", 2500, 10000, 30.0, "25 %, about 2 min left"),
        ("%", 10000, 10000, 240.0, "100 % in 4 min"),
    ],
)
def test_a_line_says_how_much_how_fast_and_how_long(
    unit: str, done: int, total: int, seconds: float, text: str
) -> None:
    assert told(unit, done, total, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (172800, "2.0 days")],
)
def test_times_are_as_exact_as_estimates_are(seconds: float, text: str) -> None:
    assert time_text(seconds) == text


def test_sizes_are_decimal() -> None:
    assert size_text(1_500_000_000) == "1.5 GB"
    assert size_text(3_950) == "4.0 kB"


def test_one_is_not_many() -> None:
    assert [count_text(count, "pair") for count in (0, 1, 2000)] == ["0 pairs", "1 pair", "2,000 pairs"]


def test_a_part_is_shown_with_its_whole(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    with terminal.progress("whole run (%)", 400) as whole:
        for name in ("step 1 of 2: a", "step 2 of 2: b"):
            with terminal.progress(name, 2) as advance:
                advance(2)
                whole(100)
        whole(0, 200)  # what need not be done any more
    first, second, last = capsys.readouterr().err.splitlines()
    assert first.startswith("step 1 of 2: a: 2 of 2")
    assert "; whole run: 25 %" in first
    assert "; whole run: 50 %" in second
    assert last.startswith("whole run: 100 %")


def test_a_table_stands_above_the_bars_while_there_are_any(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(bars=True)
    watch.board("nothing is drawn yet", ("step",), [["flow"]])
    assert capsys.readouterr().err == ""
    with watch.block("samples", 2) as advance:
        watch.board("an older one", ("step", "done"), [["normalise", "1"]])
        watch.board("at work: 2 workers", ("step", "done"), [["[flow]", "1"]])
        advance()
    drawn = capsys.readouterr().err
    assert drawn.index("at work: 2 workers") < drawn.index("[flow]") < drawn.index("samples")
    assert "an older one" not in drawn
    with watch.block("other work", 1):
        pass
    assert "[flow]" not in capsys.readouterr().err


def test_elsewhere_than_on_a_terminal_there_is_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    watch = Watch(bars=False)
    with watch.block("samples", 2):
        watch.board("at work: 2 workers", ("step",), [["flow"]])
    assert "flow" not in capsys.readouterr().err


def test_what_fails_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    def pull() -> None:
        with Terminal().progress("pulling (MB)", 2) as advance:
            advance()
            raise KeyError

    with pytest.raises(KeyError):
        pull()
    assert capsys.readouterr().err == ""
