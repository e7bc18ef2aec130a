"""How commands end: exit codes, whose fault it is, and what is printed."""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import socket
import string
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from harness import factories
from sparkle.builders.building import build
from sparkle.commands import hub, main
from sparkle.commands.console import Terminal, Verb
from sparkle.commands.options import out_option, output_options
from sparkle.schemas.errors import ConfigError


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ending")
    run = factories.write_run(folder / "run", factories.specs("location", 2))
    return build(run, folder / "release").out


def ending(body: Callable[[Path], Any], *words: str, resumes: str = "") -> Result:
    """Run a verb with a body of the test's own."""

    @click.command(cls=Verb, resumes=resumes)
    @out_option("The folder.")
    @output_options
    def verb(out: Path, terminal: Terminal) -> None:
        body(out)

    return CliRunner().invoke(verb, words or ["--out", "out"])


def refuse(out: Path) -> None:
    raise ConfigError("this cannot be", got=1, wanted=2, fix="do that")


def test_what_cannot_run_is_2_and_says_why_in_parts() -> None:
    done = ending(refuse)
    assert done.exit_code == 2
    assert done.stderr == "error: this cannot be\n  got: 1\n  wanted: 2\n  fix: do that\n"
    assert done.stdout == ""


def test_json_has_the_same_parts() -> None:
    done = ending(refuse, "--out", "out", "--json")
    assert done.exit_code == 2
    parts = {"problem": "this cannot be", "got": "1", "wanted": "2", "fix": "do that"}
    assert json.loads(done.stdout) == {"error": parts}


def test_a_traceback_is_shown_to_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Traceback" not in ending(refuse).stderr
    assert "in refuse" in ending(refuse, "--out", "out", "-v").stderr
    monkeypatch.setenv("SPARKLE_DEBUG", "1")
    done = ending(refuse)
    assert "in refuse" in done.stderr
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "step: 1 of 1\na note\n"),
        (["--no-progress"], "a note\n"),
        (["-q"], ""),
        (["--json"], ""),
    ],
)
def test_notes_and_progress_can_be_left_out(words: list[str], told: str) -> None:
    @click.command(cls=Verb)
    @output_options
    def verb(terminal: Terminal) -> None:
        with terminal.progress("step", 1) as advance:
            advance()
        terminal.say("a note")
        terminal.table("table", ["column"], [["cell"]])
        terminal.result("done", {})

    done = CliRunner().invoke(verb, words)
    assert re.sub(r" in \d+ s", "", done.stderr) == told  # which is said of a block that took seconds
    assert done.stdout.endswith("{}\n" if "--json" in words else "done\n")
    assert ("cell" in done.stdout) == (words in ([], ["--no-progress"]))


def test_a_table_that_is_too_wide_breaks_no_word(capsys: pytest.CaptureFixture[str]) -> None:
    long = "a-name-that-is-longer-than-half-of-what-a-log-is-taken-for-" + "x" * 40
    Terminal().table("Models", ["model", "licence"], [[long, "MIT"], ["small", long]])
    assert capsys.readouterr().out == (
        f"Models\n\nmodel    {long}\nlicence  MIT\n\nmodel    small\nlicence  {long}\n"
    )


@pytest.mark.parametrize("below", ["", "a", "a/b"])
def test_a_path_that_the_user_named_is_the_users(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("not a folder")
    out = tmp_path / "file" / below / "deeper"
    done = ending(lambda out: out.mkdir(parents=True), "--out", str(out))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: the system refused: Not a directory\n  where: ")
    assert str(tmp_path / "file") in done.stderr
    assert "bug" not in done.stderr


def test_any_other_path_is_a_bug_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def body(out: Path) -> None:
        (tmp_path / "internal").read_bytes()

    done = ending(body, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: this is a bug in sparkle\n")
    assert f"FileNotFoundError: [Errno 2] No such file or directory: '{tmp_path / 'internal'}'" in done.stderr
    assert "Traceback" not in done.stderr
    # A file below what the user named is ours to make.
    below = ending(lambda out: (out / "ours").read_bytes(), "--out", str(tmp_path))
    assert "this is a bug in sparkle" in below.stderr
    monkeypatch.setenv("SPARKLE_DEBUG", "1")
    assert "in body" in ending(body).stderr


def test_a_crash_is_not_taken_for_findings() -> None:
    done = ending(lambda out: {}["missing"])
    assert done.exit_code == 2
    assert "got: KeyError: 'missing'" in done.stderr
    assert f"where: {__file__}:" in done.stderr


@pytest.mark.parametrize(
    ("resumes", "told"),
    [
        ("", "interrupted; nothing was changed\n"),
        (
            "files are kept in {out}",
            "interrupted; files are kept in my out\ngo on with: verb --out 'my out'\n",
        ),
    ],
)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_is_130_and_says_what_is_kept_and_how_to_go_on(
    resumes: str, told: str, number: signal.Signals
) -> None:
    words = ("--out", "my out")
    done = ending(lambda out: signal.raise_signal(number), *words, resumes=resumes)
    assert done.exit_code == 130
    assert done.stderr == told


def test_what_is_kept_is_named_by_parameters_of_the_command() -> None:
    context = click.Context(main)
    verbs = {name: main.get_command(context, name) for name in main.list_commands(context)}
    kept = {name: verb for name, verb in verbs.items() if isinstance(verb, Verb) and "{" in (verb.kept or "")}
    assert {"generate", "build", "import", "index", "export", "pull", "preview", "publish"} <= kept.keys()
    for verb in kept.values():
        named = {field for _, field, _, _ in string.Formatter().parse(verb.kept) if field}
        assert named <= {parameter.name for parameter in verb.params}


# --- real commands ---


def run(*words: object, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sparkle", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_file_system_that_takes_no_more_is_said(release: Path, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    done = run("card", release, "--out", tmp_path / "card.md", preexec_fn=limited)
    assert done.returncode == 2
    assert "the system refused: File too large" in done.stderr
    assert "fix: choose a file system" in done.stderr
    assert not (tmp_path / "card.md").exists()


def test_a_report_that_cannot_be_written_is_said(release: Path) -> None:
    done = CliRunner().invoke(main, ["validate", str(release), "--report", f"{release}/README.md/x.jsonl"])
    assert done.exit_code == 2
    assert "the system refused" in done.stderr
    assert "fix: a file is in the way: choose another --report" in done.stderr


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (main, ["build", "{run}", "--out", "{tmp}/{name}"]),
        (main, ["card", "{release}", "--out", "{tmp}/{name}"]),
        (main, ["validate", "{release}", "--report", "{tmp}/{name}"]),
        (main, ["export", "{release}", "--to", "kiwi", "--out", "{tmp}/{name}"]),
        (main, ["stats", "{release}", "--plots", "{tmp}/{name}"]),
        (hub, ["pull", "{release}", "--out", "{tmp}/{name}"]),
        (hub, ["publish", "{release}", "{tmp}/{name}"]),
        (hub, ["preview", "{release}", "--out", "{tmp}/{name}"]),
    ],
)
@pytest.mark.parametrize("name", ["file/out", "x" * 300])
def test_a_place_that_cannot_be_is_the_users_in_every_command(
    release: Path, tmp_path: Path, command: click.Command, words: list[str], name: str
) -> None:
    (tmp_path / "file").write_text("not a folder")
    names = {"run": release.parent / "run", "release": release, "tmp": tmp_path, "name": name}
    done = CliRunner().invoke(command, [word.format(**names) for word in words])
    assert done.exit_code == 2
    assert "error: the system refused: " in done.stderr
    assert "choose " in done.stderr


@pytest.mark.parametrize("errors", [False, True])
@pytest.mark.parametrize(
    "words", [["--help"], ["show", "--help"], ["config", "list"], ["show", "RELEASE", "ID"],
              ["stats", "RELEASE"], ["validate", "-q", "RELEASE"], ["validate", "nowhere", "--json"],
              ["export", "--wrong"]]
)  # fmt: skip
def test_a_command_whose_reader_has_left_ends_by_141_without_a_word(
    release: Path, words: list[str], errors: bool
) -> None:
    """As `sparkle show ... | head -1` does; 1 would say that there are findings."""
    places = {"RELEASE": str(release), "ID": "Sparkle_location_000000"}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "sparkle", *(places.get(word, word) for word in words)],
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=writer if errors else subprocess.PIPE,
        text=True,
        timeout=600,
        check=False,
    )
    os.close(writer)
    if words[-1] == "--wrong" and not errors:  # which is no result
        assert done.returncode == 2
    else:
        assert (done.returncode, done.stderr or "") == (141, "")


def test_a_connection_that_breaks_is_not_taken_for_a_reader_who_left() -> None:
    def send(out: Path) -> None:
        left, right = socket.socketpair()
        right.close()
        with left:
            left.sendall(b"word")

    done = ending(send)
    assert done.exit_code == 2
    assert "bug in sparkle" in done.stderr


def test_an_interrupt_before_a_verb_begins_is_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(ctx: click.Context, name: str) -> click.Command:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "get_command", interrupted)
    done = CliRunner().invoke(main, ["stats", "run"])
    assert (done.exit_code, done.stderr) == (130, "interrupted; nothing was changed\n")


def test_a_theme_that_a_run_has_not_is_told_with_those_it_has(release: Path, tmp_path: Path) -> None:
    words = [str(release.parent / "run"), "--out", str(tmp_path / "out"), "--theme", "style"]
    done = CliRunner().invoke(main, ["build", *words])
    assert done.exit_code == 2
    assert "got: 2 candidates, 2 of which pass: 2 of other themes" in done.stderr
    assert "wanted: samples of style; there are some of location" in done.stderr


def test_a_limit_of_a_few_bytes_is_pointed_out(release: Path, tmp_path: Path) -> None:
    words = [str(release.parent / "run"), "--out", str(tmp_path / "out")]
    for size, told in (("1", True), ("5GiB", False)):
        done = CliRunner().invoke(main, ["build", *words, "--max-shard-size", size])
        assert done.exit_code == 0, done.output
        assert ("note: --max-shard-size of 1 byte" in done.stderr) == told


def test_a_reader_that_leaves_is_nobodys_bug(release: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sparkle", "stats", str(release), "--json"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr
