"""Two commands, one set of verbs."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sparkle import commands


def run(command, *words):
    return CliRunner().invoke(command, list(words), prog_name=command.name)


def test_the_verbs_of_the_hub_command_are_verbs_of_sparkle():
    assert {*commands.hub.list_commands(None)} < {*commands.main.list_commands(None)}
    for verb in commands.hub.list_commands(None):
        assert commands.hub.get_command(None, verb) is commands.main.get_command(None, verb)


@pytest.mark.parametrize("command", [commands.main, commands.hub], ids=lambda command: command.name)
def test_help_lists_every_verb_with_its_whole_first_sentence(command):
    told = " ".join(run(command, "--help").output.split())
    for verb in command.list_commands(None):
        sentence = " ".join(command.get_command(None, verb).help.partition("\n\n")[0].split()).rstrip(".")
        assert f" {verb} {sentence}" in told


@pytest.mark.parametrize(
    ("command", "verb", "meant"),
    [
        (commands.main, "buld", "Did you mean `sparkle build`?"),
        (commands.main, "publsh", "Did you mean `sparkle publish`?"),
        (commands.hub, "verfy", "Did you mean `sparkle-hub verify`?"),
        (commands.hub, "build", "Did you mean `sparkle build`?"),
        (commands.main, "zzzz", "`sparkle --help` lists them."),
    ],
)
def test_an_unknown_verb_is_told_with_the_one_that_may_be_meant(command, verb, meant):
    result = run(command, verb)
    assert result.exit_code == 2
    assert f"no such command: {verb}. {meant}" in result.output
