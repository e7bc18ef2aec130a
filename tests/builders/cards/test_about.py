"""A publisher's own words: release.toml, and the room in the card, from a release to the next."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

import sparkle
from harness import ROOT
from sparkle.builders.building.renewal import renew_pages
from sparkle.builders.release.about import read_about
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.commands.build import build as build_command
from sparkle.commands.card import card as card_command
from sparkle.hub.staging.store.cards import check_card_yaml
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.canonical import plain
from sparkle.schemas.errors import ConfigError, ReleaseError

SMALL = {"max_shard_size": 6000, "preview": 1}
TOML = """
title = "Streets: edited"
license = "cc-by-nc-4.0"
authors = ["Ada Example", "Bo Example"]
contact = "ada@example.org"
language = ["no", "en"]
description = "Clips of **streets**.\\n\\nWith new backgrounds."
uses = "Training of editors."
out_of_scope = "Recognising people."
people = "Passers-by."
consent = "All of them agreed in writing."
paper = "https://example.org/paper"
citation = "@misc{streets, title = {Streets}}"
[links]
Code = "https://example.org/code"
[sources.location]
license = "CC BY-SA 4.0"
origin = "Filmed by us."
link = "https://example.org/terms"
"""


@pytest.fixture
def about(tmp_path: Path) -> Path:
    file = tmp_path / "release.toml"
    file.write_text(TOML)
    return file


@pytest.fixture
def release(shared_run: Path, about: Path, tmp_path: Path) -> Path:
    """A release with everything said."""
    return sparkle.build(shared_run, tmp_path / "release", about=about, **SMALL).out


def document(release: Path, name: str = layout.PROVENANCE) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((release / name).read_text())
    return read


def front(release: Path) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((release / layout.CARD).read_text().split("---\n")[1])
    return read


def write_into(card: Path, words: str, after: str = "<!-- your words begin") -> None:
    """Write a line behind the one that begins so."""
    lines = card.read_text().splitlines(keepends=True)
    at = next(index for index, line in enumerate(lines) if line.startswith(after))
    card.write_text("".join([*lines[: at + 1], words, *lines[at + 1 :]]))


def findings(release: Path) -> list[str]:
    return [str(finding) for finding in sparkle.validate(release).findings if finding.file == layout.CARD]


# --- release.toml ------------------------------------------------------------------------------------


def test_what_is_said_is_recorded_and_shown(release: Path) -> None:
    assert document(release)["about"] == tomllib.loads(TOML)
    head, card = front(release), (release / layout.CARD).read_text()
    assert (head["license"], head["pretty_name"]) == ("cc-by-nc-4.0", "Streets: edited")
    assert head["language"] == ["no", "en"]  # `no` alone is false
    assert check_card_yaml(card, "dataset") == ([], [])
    for text in (
        "\n# Streets: edited\n",
        "Clips of **streets**.",
        "By Ada Example, Bo Example · [paper](https://example.org/paper) · [Code](https://example.org/code)"
        " · contact: ada@example.org",
        "Licence of this release, as its publisher gives it: "
        "[cc-by-nc-4.0](https://creativecommons.org/licenses/by-nc/4.0/).",
        "- `location`: licence CC BY-SA 4.0 (asks: edited versions under the same terms). Filmed by us. "
        "[Terms](https://example.org/terms)",
        "terms of some of these reach them",
        "## Uses\n\nTraining of editors.\n\n### Out of scope\n\nRecognising people.\n",
        "## People shown, and their consent\n\nPassers-by.\n\nAll of them agreed in writing.\n",
        "```bibtex\n@misc{streets, title = {Streets}}\n```",
    ):
        assert text in card
    assert "was not recorded" not in card
    found = document(release, layout.CROISSANT)
    assert (found["name"], found["description"]) == ("Streets: edited", tomllib.loads(TOML)["description"])
    assert found["license"] == "https://creativecommons.org/licenses/by-nc/4.0/"
    assert [person["name"] for person in found["creator"]] == ["Ada Example", "Bo Example"]
    assert found["citeAs"] == "@misc{streets, title = {Streets}}"
    assert findings(release) == []


def test_nothing_is_said_where_nothing_was(shared_release: Path) -> None:
    assert "about" not in document(shared_release)
    card = (shared_release / layout.CARD).read_text()
    assert front(shared_release)["license"] == "unknown"
    assert check_card_yaml(card, "dataset") == ([], [])
    assert "CC BY" not in card
    assert "No licence of this release was recorded" in card
    assert "Who is shown in the clips, and what they agreed to, was not recorded" in card
    assert not {"license", "creator"} & document(shared_release, layout.CROISSANT).keys()


def test_it_goes_from_a_release_to_the_next_unless_another_file_is_given(
    release: Path, shared_run: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    before = contents(release)
    sparkle.build(shared_run, release, **SMALL)
    assert contents(release) == before
    other = tmp_path / "other.toml"
    other.write_text(
        'license = "other"\nlicense_name = "lab-terms"\nlicense_link = "https://example.org/x"\n'
    )
    done = CliRunner().invoke(build_command, [str(shared_run), "--out", str(release), "--about", str(other)])
    assert done.exit_code == 0, done.output
    assert document(release)["about"] == tomllib.loads(other.read_text())
    head = front(release)
    assert (head["license"], head["license_name"]) == ("other", "lab-terms")
    assert head["license_link"] == document(release, layout.CROISSANT)["license"] == "https://example.org/x"
    other.write_text("")
    sparkle.build(shared_run, release, about=other, **SMALL)
    assert "about" not in document(release)


def test_a_takedown_keeps_it(release: Path) -> None:
    write_into(release / layout.CARD, "Ask us.\n")
    take_down(release, ["Sparkle_location_000003"], [])
    assert document(release)["about"] == tomllib.loads(TOML)
    assert "\nAsk us.\n" in (release / layout.CARD).read_text()
    assert findings(release) == []


@pytest.mark.parametrize(
    ("toml", "problem", "where", "fix"),
    [
        ('licence = "mit"', "unknown key", ": licence", "did you mean license?"),
        ("colour = 3", "unknown key", ": colour", None),
        ("authors = 3", "wrong type", ": authors", None),
        ('authors = "Ada"', "wrong type", ": authors", None),
        ('license = "CC BY 4.0"', "the Hub knows no such licence", ": license", "did you mean cc-by-4.0?"),
        ('license = "cc-by"', "the Hub knows no such licence", ": license", "did you mean cc-by-4.0?"),
        ('license = "mine"', "the Hub knows no such licence", ": license", 'license = "other"'),
        ('license = "other"', "license_name belongs", ": license", None),
        ('license = "mit"\nlicense_name = "x"', "license_name belongs", ": license", None),
        (
            'license = "other"\nlicense_name = "My terms"',
            "not a name that the Hub takes",
            "license_name",
            None,
        ),
        ('title = " "', "the text is empty", ": title", None),
        ('[links]\nx = ""', "the text is empty", ": links.x", None),
        ('title = "a\\nb"', "several lines", ": title", None),
        ('authors = ["a\\nb"]', "several lines", ": authors", None),
        ('language = ["english"]', "not a code of a language", ": language", None),
        ('paper = "arxiv"', "not an address", ": paper", None),
        ('[links]\nx = "y"', "not an address", ": links.x", None),
        ('[sources.winter]\nlicense = "x"', "no such theme", ": sources", None),
        ('[sources.locations]\nlicense = "x"', "no such theme", ": sources", "did you mean location?"),
        (
            '[sources.location]\nlicence = "x"',
            "unknown key",
            ": sources.location.licence",
            "did you mean license?",
        ),
        ("title =", "the file is not TOML", "release.toml", None),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, toml: str, problem: str, where: str, fix: str | None
) -> None:
    (tmp_path / "release.toml").write_text(toml)
    with pytest.raises(ConfigError, match=problem) as caught:
        read_about(tmp_path / "release.toml")
    assert str(tmp_path / "release.toml") in str(caught.value.where)
    assert where in str(caught.value.where)
    assert (caught.value.fix or "").startswith(fix or "")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_about(tmp_path / "none.toml")


def test_the_example_in_the_documentation_can_be_read(tmp_path: Path) -> None:
    example, _ = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/cards.md").read_text(), re.DOTALL)
    (tmp_path / "release.toml").write_text(example)
    said = read_about(tmp_path / "release.toml")
    assert plain(said).keys() | {"license_name", "license_link"} == set(said.__struct_fields__)


# --- the room in the card ----------------------------------------------------------------------------


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_words_in_the_room_stay_when_it_is_built_again(release: Path, shared_run: Path, ends: str) -> None:
    card = release / layout.CARD
    write_into(card, "## News\n\nMore to come: é 世.\n")
    card.write_bytes(card.read_text().replace("\n", ends).encode())
    (finding,) = findings(release)
    assert "edited in the room for your words" in finding
    assert "--update" in finding
    sparkle.build(shared_run, release, **SMALL)
    assert "-->\n\n## News\n\nMore to come: é 世.\n\n<!-- your words end" in card.read_text()
    assert findings(release) == []
    before = card.read_bytes()
    sparkle.build(shared_run, release, **SMALL)
    assert card.read_bytes() == before


def test_words_of_the_release_at_out_stay_also_with_another_previous_one(
    release: Path, shared_run: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(release, tmp_path / "out"))
    write_into(release / layout.CARD, "Of the previous.\n")
    sparkle.build(shared_run, out, previous=release, **SMALL)
    assert "\nOf the previous.\n" in (out / layout.CARD).read_text()
    write_into(out / layout.CARD, "Of this one.\n")
    sparkle.build(shared_run, out, previous=release, **SMALL)
    assert "\nOf this one.\n" in (out / layout.CARD).read_text()
    sparkle.build(shared_run, out, previous=release, **SMALL)  # an edit that was taken over is none any more
    assert "\nOf this one.\n" not in (out / layout.CARD).read_text()


@pytest.mark.parametrize("has_room", [True, False])
def test_an_edit_elsewhere_is_not_deleted(
    release: Path, shared_run: Path, has_room: bool, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    card = release / layout.CARD
    write_into(card, "An edit.\n", after="## Contents")
    if not has_room:
        card.write_text(
            "".join(part for part in card.read_text().splitlines(True) if "your words" not in part)
        )
    (finding,) = findings(release)
    assert "edited outside the room" in finding
    before = contents(release)
    for work in (
        lambda: sparkle.build(shared_run, release, **SMALL),
        lambda: take_down(release, ["Sparkle_location_000003"], []),
        lambda: renew_pages(release),
    ):
        with pytest.raises(ReleaseError, match="edited outside the room") as caught:
            work()
        assert "release.toml" in str(caught.value.fix)
        assert layout.CARD in str(caught.value.where)
        assert contents(release) == before
    card.unlink()  # which says that the edit may go
    take_down(release, ["Sparkle_location_000003"], [])
    assert findings(release) == []
    card.unlink()
    sparkle.build(shared_run, release, **SMALL)
    assert findings(release) == []


def test_the_card_is_updated_without_the_runs(
    shared_release: Path, about: Path, tmp_path: Path, contents: Callable[[Path], dict[str, bytes]]
) -> None:
    release = Path(shutil.copytree(shared_release, tmp_path / "copy"))
    before = contents(release)
    write_into(release / layout.CARD, "Ask us.\n")
    done = CliRunner().invoke(card_command, [str(release), "--update", "--about", str(about)])
    assert done.exit_code == 0, done.output
    assert done.output == f"{release}: README.md, croissant.json, provenance.json changed\n"
    assert document(release)["about"] == tomllib.loads(TOML)
    assert "\nAsk us.\n" in (release / layout.CARD).read_text()
    after = contents(release)
    pages = {layout.CARD, layout.CROISSANT, layout.PROVENANCE, layout.MANIFEST}
    assert {path for path in after if after[path] != before[path]} == pages
    assert after.keys() == before.keys()
    assert findings(release) == []
    assert CliRunner().invoke(card_command, [str(release), "--update"]).output.endswith(": nothing changed\n")
    assert contents(release) == after


@pytest.mark.parametrize("words", [["--about", "{about}"], ["--update", "--out", "card.md"]])
def test_options_that_do_not_go_together_are_wrong_usage(
    shared_release: Path, about: Path, words: list[str]
) -> None:
    given = [str(shared_release), *(word.format(about=about) for word in words)]
    assert CliRunner().invoke(card_command, given).exit_code == 2


def test_a_release_that_lacks_files_is_not_updated(release: Path) -> None:
    (release / layout.prompts_csv("location")).unlink()
    with pytest.raises(ReleaseError, match="not whole"):
        renew_pages(release)


def test_an_import_has_it_as_well(shared_release: Path, about: Path, tmp_path: Path) -> None:
    folder = tmp_path / "downloaded"
    shutil.copytree(shared_release / "prompts", folder / "prompts")
    for path in shared_release.glob("location_*_video_part*.tar"):
        shutil.copy(path, folder)
    release = import_upstream(folder, tmp_path / "imported").out
    assert "license" not in front(release)
    renew_pages(release, read_about(about))
    write_into(release / layout.CARD, "Ask us.\n")
    import_upstream(folder, release)
    assert front(release)["license"] == "cc-by-nc-4.0"
    card = (release / layout.CARD).read_text()
    assert "\nAsk us.\n" in card
    assert "Licence of this release, as its publisher gives it" in card
    assert check_card_yaml(card, "dataset") == ([], [])
