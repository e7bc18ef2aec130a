"""Configurations that say only what differs: bases, names, settings, errors, and what is shown."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness import ROOT
from harness.videos import levels, write_video
from sparkle.commands import main
from sparkle.generation.config import load_config
from sparkle.schemas.canonical import plain

CONFIGS = ROOT / "sparkle" / "configs"
SHIPPED = ("classical", "paper", "paper-fast", "small")
CAPABILITIES = tomllib.loads((CONFIGS / "classical.toml").read_text())["backends"]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, in which files are written."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: object):
    return CliRunner().invoke(main, [str(word) for word in words])


def show(*words: object) -> dict:
    result = run("config", "show", *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def resolved(*words: object) -> dict:
    return show(*words)["configuration"]


def refused(*words: object) -> dict:
    result = run("config", "show", *words, "--json")
    assert result.exit_code == 2, result.output
    return json.loads(result.stdout)["error"]


def write(name: str, text: str) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# --- bases -----------------------------------------------------------------------------------------


def test_a_file_says_only_what_differs():
    write("my.toml", 'base = "paper"\n[encoding]\ncrf = 18\n[backends.image_editor]\nsteps = 8\n')
    wanted = resolved("--config", "paper")
    wanted["name"] = "my"
    wanted["encoding"]["crf"] = 18
    wanted["backends"]["image_editor"]["steps"] = 8
    assert resolved("--config", "my.toml") == wanted


def test_another_backend_keeps_no_option_of_the_one_before():
    write("my.toml", 'base = "paper"\n[backends.tracker]\nname = "classical"\ntrusted_boxes = true\n')
    table = resolved("--config", "my.toml")["backends"]["tracker"]
    assert table == {"name": "classical", "trusted_boxes": True}


def test_the_same_backend_named_again_keeps_its_options():
    write("my.toml", 'base = "paper"\n[backends.tracker]\nname = "sam3"\nkeep_on = "cpu"\n')
    table = resolved("--config", "my.toml")["backends"]["tracker"]
    assert table == {"name": "sam3", "model": "facebook/sam3", "revision": "main", "keep_on": "cpu"}


def test_tables_in_an_option_merge_too():
    endpoint = 'name = "openai"\nmodel = "m"\nrevision = "r"\nextra_body = { top_k = 1, top_p = 0.5 }\n'
    write("served.toml", f'base = "classical"\n[backends.vlm]\n{endpoint}')
    write("my.toml", 'base = "served.toml"\n[backends.vlm.extra_body]\ntop_k = 2\n')
    shown = show("--config", "my.toml")
    assert shown["configuration"]["backends"]["vlm"]["extra_body"] == {"top_k": 2, "top_p": 0.5}
    assert shown["origins"]["backends.vlm.extra_body.top_k"] == "my.toml"
    assert shown["origins"]["backends.vlm.extra_body.top_p"] == "base served.toml"


def test_bases_have_bases_and_paths_are_relative_to_the_file():
    write("shared/first.toml", 'base = "classical"\nseed = 1\n[encoding]\ncrf = 30\n')
    write("shared/second.toml", 'base = "first.toml"\n[encoding]\ncrf = 25\n')
    write("mine/last.toml", 'base = "../shared/second.toml"\n[encoding]\npreset = "fast"\n')
    config = resolved("--config", "mine/last.toml")
    assert (config["name"], config["seed"]) == ("last", 1)
    assert config["encoding"] == {"crf": 25, "preset": "fast"}


def test_a_name_of_a_base_is_not_inherited_and_may_be_given():
    write("named.toml", 'base = "paper"\nname = "given"\n')
    write("further.toml", 'base = "named.toml"\n')
    assert resolved("--config", "named.toml")["name"] == "given"
    assert resolved("--config", "further.toml")["name"] == "further"


def test_a_file_may_be_called_like_its_base():
    write("paper.toml", 'base = "paper"\nseed = 5\n')
    assert resolved("--config", "paper.toml") == {**resolved("--config", "paper"), "seed": 5}


def test_what_a_base_says_can_be_dropped():
    write("my.toml", 'base = "paper"\ndrop = ["backends.vlm.revision", "thresholds"]\n')
    config, whole = resolved("--config", "my.toml"), resolved("--config", "paper")
    assert "revision" not in config["backends"]["vlm"]
    assert config["thresholds"] == whole["thresholds"]  # the paper's are the defaults
    assert show("--config", "my.toml")["origins"]["thresholds.edited_video"] == "default"


@pytest.mark.parametrize(
    ("files", "circle"),
    [
        ({"a.toml": "a.toml"}, "a.toml -> a.toml"),
        ({"a.toml": "b.toml", "b.toml": "a.toml"}, "a.toml -> b.toml -> a.toml"),
        ({"a.toml": "b.toml", "b.toml": "c.toml", "c.toml": "./b.toml"}, "b.toml -> c.toml -> b.toml"),
    ],
)
def test_a_circle_is_named(files: dict[str, str], circle: str):
    for name, base in files.items():
        write(name, f'base = "{base}"\n')
    error = refused("--config", "a.toml")
    assert "circle" in error["problem"]
    assert error["got"] == circle


def test_a_file_without_base_is_complete():
    complete = 'name = "x"\n' + "".join(f'[backends.{each}]\nname = "classical"\n' for each in CAPABILITIES)
    write("whole.toml", complete)
    assert resolved("--config", "whole.toml")["name"] == "x"
    write("nameless.toml", complete.partition("\n")[2])
    error = refused("--config", "nameless.toml")
    assert (error["problem"], error["wanted"], error["where"]) == ("missing key", "name", "nameless.toml")
    assert 'base = "classical"' in error["fix"]


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_configuration_is_found_by_name_and_by_path(name: str):
    by_name, by_path = load_config(name), load_config(CONFIGS / f"{name}.toml")
    assert by_name == by_path
    assert by_name.name == name
    for verb in (["models"], ["plan", "--sources", "10"]):
        assert (
            run(*verb, "--config", name, "--json").output
            == run(*verb, "--config", CONFIGS / f"{name}.toml", "--json").output
        )


def test_the_default_is_classical():
    assert resolved() == resolved("--config", "classical")
    assert load_config(None) == load_config("classical")


def test_the_four_step_configuration_is_the_papers_with_other_videos():
    paper, fast = resolved("--config", "paper"), resolved("--config", "paper-fast")
    differs = {name for name in paper["backends"] if paper["backends"][name] != fast["backends"][name]}
    assert differs == {"image_to_video", "control_to_video"}
    assert {key for key in paper if paper[key] != fast[key]} == {"name", "backends"}


def test_list_has_each_with_a_line():
    lines = run("config", "list").output.splitlines()
    assert [line.split()[0] for line in lines] == list(SHIPPED)
    assert all(len(line.split()) > 4 for line in lines)
    found = json.loads(run("config", "list", "--json").output)
    assert (tuple(found["configurations"]), found["default"]) == (SHIPPED, "classical")


def test_an_unknown_name_lists_those_that_there_are():
    error = refused("--config", "papr")
    assert all(name in error["wanted"] for name in SHIPPED)
    assert (error["got"], error["fix"]) == ("papr", "did you mean paper?")


@pytest.mark.parametrize(
    ("file", "says"), [("mine.toml", "--config mine.toml"), ("my own", "--config './my own'")]
)
def test_an_unknown_name_is_told_of_a_file_that_is_called_so(file: str, says: str):
    write(file, 'base = "classical"\n')
    name = file.removesuffix(".toml")
    assert f"`{says}`" in refused("--config", name)["fix"]
    assert resolved(*shlex.split(says))["name"] == name


def test_an_unknown_base_is_told_with_its_line():
    write("other.toml", 'base = "classical"\n')
    write("my.toml", '# mine\n\nbase = "other"\n')
    error = refused("--config", "my.toml")
    assert (error["where"], error["got"]) == ("my.toml:3 base", "other")
    assert 'base = "other.toml"' in error["fix"]


def test_a_base_that_cannot_be_read_is_told_with_the_file_that_names_it():
    write("my.toml", 'base = "none.toml"\n')
    where = refused("--config", "my.toml")["where"]
    assert "none.toml" in where
    assert "my.toml:1" in where


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("encoding.crf=23", "[encoding]\ncrf = 23"),
        ("encoding.preset=fast", '[encoding]\npreset = "fast"'),
        ("encoding.preset = 'fast'", '[encoding]\npreset = "fast"'),
        ("encoding={ crf = 23, preset = 'fast' }", '[encoding]\ncrf = 23\npreset = "fast"'),
        ("name=mine", 'name = "mine"'),
        ("thresholds.edited_video=7", "[thresholds]\nedited_video = 7"),
        ("backends.image_editor.model=models/my flux", '[backends.image_editor]\nmodel = "models/my flux"'),
        ("backends.image_editor.note=", None),
        ('backends.image_editor.note=""', '[backends.image_editor]\nnote = ""'),
        ('backends.image_editor.revision="123"', '[backends.image_editor]\nrevision = "123"'),
        ("backends.image_editor.guidance=2", "[backends.image_editor]\nguidance = 2"),
        ("backends.tracker.name=classical", '[backends.tracker]\nname = "classical"'),
        ('drop=["backends.vlm.revision"]', 'drop = ["backends.vlm.revision"]'),
    ],
)
def test_a_setting_is_what_a_file_would_say(setting: str, said: str | None):
    if said is None:
        assert refused("--config", "paper", "--set", setting)["problem"] == "not a setting"
        return
    name = "" if said.startswith("name =") else 'name = "paper"'
    write("my.toml", f'base = "paper"\n{name}\n{said}\n')
    asked, wanted = resolved("--config", "paper", "--set", setting), resolved("--config", "my.toml")
    assert asked == wanted
    assert repr(asked) == repr(wanted)  # 2 is 2.0 for Python and not for a fingerprint
    assert asked != resolved("--config", "paper")


def test_settings_add_up_and_go_over_the_file():
    write("my.toml", 'base = "classical"\n[encoding]\ncrf = 30\npreset = "slow"\n')
    named = ("backends.vlm.model=m", "backends.vlm.name=openai", "backends.vlm.revision=r", "encoding.crf=9")
    config = resolved("--config", "my.toml", *(word for each in named for word in ("--set", each)))
    assert config["backends"]["vlm"] == {"model": "m", "name": "openai", "revision": "r"}
    assert config["encoding"] == {"crf": 9, "preset": "slow"}


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (["encoding"], {"problem": "not a setting", "got": "encoding"}),
        (["=3"], {"problem": "not a setting"}),
        (["a b=3"], {"problem": "not a setting"}),
        (["base=paper"], {"problem": "a base is no setting"}),
        (["encoding.crf=[1"], {"problem": "not a value of TOML", "where": "--set encoding.crf=[1"}),
        (["encoding.crf=1", "encoding.crf=2"], {"problem": "a key is set twice", "got": "encoding.crf"}),
        (["encoding.crf=1", "encoding.crf.x=2"], {"problem": "a key is set twice"}),
        (["encoding.crf=fast"], {"problem": "wrong type", "got": "'fast'", "where": "--set encoding.crf"}),
        (["encoding.crf=99"], {"where": "--set encoding"}),
        (["thresholds.edited_video=nan"], {"problem": "not a finite number"}),
        (["backends.vlm=3"], {"problem": "wrong type", "wanted": "table"}),
        (["drop=[3]"], {"problem": "not keys to drop"}),
        (["drop=['seeds']"], {"problem": "nothing to drop", "got": "seeds"}),
    ],
)
def test_a_setting_that_cannot_be_is_named(settings: list[str], error: dict[str, str]):
    found = refused(*(word for each in settings for word in ("--set", each)))
    assert {key: found.get(key) for key in error} == error


@pytest.mark.parametrize(
    ("setting", "nearest", "known"),
    [
        ("encodng.crf=3", "encoding", "thresholds"),
        ("encoding.crff=3", "crf", "preset"),
        ("backends.image_edtor.steps=3", "image_editor", "tracker"),
        ("backends.image_editor.stepss=3", "steps", "guidance"),
        ("backends.image_editor.name=flux-klein", "flux2-klein", "classical"),
    ],
)
def test_an_unknown_key_is_told_with_the_nearest_and_those_that_there_are(setting, nearest, known):
    error = refused("--config", "paper", "--set", setting)
    assert error["fix"] == f"did you mean {nearest}?"
    assert {nearest, known} <= {*error["wanted"].split(", ")}
    assert error["where"].startswith("--set ")
    assert error["got"] in setting


def test_an_option_of_another_backend_is_told_whose_options_these_are():
    error = refused("--set", "backends.tracker.keep_on=cpu")
    assert error["wanted"] == "trusted_boxes"
    assert "options of classical; backends.tracker.name" in error["fix"]


def test_a_scorer_that_knows_recipes_is_not_given_pictures_that_a_model_paints():
    painted = ["backends.image_editor.name=flux2-klein", "backends.image_editor.model=org/model"]
    error = refused(*(word for each in painted for word in ("--set", each)))
    assert "this editor draws by none" in error["problem"]
    assert "classical.toml:" in error["where"]
    setting = error["fix"].partition(" set ")[2]
    words = [word for each in (*painted, setting) for word in ("--set", each)]
    assert resolved(*words)["backends"]["image_scorer"]["drawn"] is False


@pytest.mark.parametrize("verb", [["models"], ["plan", "--sources", "10"]])
def test_verbs_take_settings(verb: list[str]):
    named = run(*verb, "--config", "paper", "--set", "name=mine", "--json")
    assert json.loads(named.stdout)["configuration"] == "mine"
    wrong = run(*verb, "--config", "paper", "--set", "backends.flow.short_sid=100")
    assert wrong.exit_code == 2
    assert "did you mean short_side?" in wrong.stderr


def test_a_run_records_what_it_would_if_the_file_had_said_so(here: Path):
    """Three frames are too few, so a run ends after its first step."""
    (here / "clips").mkdir()
    write_video(here / "clips" / "short.mp4", levels(3))
    whole = (CONFIGS / "classical.toml").read_text()
    write("whole.toml", whole.replace("crf = 20", "crf = 30").replace("seed = 0", "seed = 4"))
    write("differs.toml", 'base = "classical"\nname = "classical"\nseed = 4\n[encoding]\ncrf = 30\n')
    ways = {
        "file": ["--config", "whole.toml"],
        "base": ["--config", "differs.toml"],
        "settings": ["--set", "encoding.crf=30", "--set", "seed=4"],
    }
    for name, words in ways.items():
        command = [sys.executable, "-m", "sparkle", "generate", "--sources", "clips", "--out", name, *words]
        done = subprocess.run([*command, "--workers", "1"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    for file in ("run.toml", "outcomes/normalise.jsonl", "funnel.json"):
        assert len({(here / name / file).read_bytes() for name in ways}) == 1, file
    assert tomllib.loads((here / "file" / "run.toml").read_text())["encoding"]["crf"] == 30


# --- where in a file -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[encoding]\n\ncrff = 3\n", "my.toml:4 encoding.crff"),
        ("encoding.crf = 'x'\n", "my.toml:2 encoding.crf"),
        ("[encoding]\ncrf = 99\n", "my.toml:2 encoding"),
        (
            "[backends.vlm]\nname = '''classical'''\n[backends.flow]\nx = [1,\n2]\n",
            "my.toml:5 backends.flow.x",
        ),
        ("# [backends.flow]\n[backends.flow]\nname = 'rft'\n", "my.toml:4 backends.flow.name"),
        ("[backends.vlm]\nname = 'openai'\n", "my.toml:2 backends.vlm"),
        ("[backends.oracle]\nname = 'x'\n", "my.toml:2 backends.oracle"),
        ("drop = 'seed'\n", "my.toml:2 drop"),
        ("[encoding]\n\ncrf = = 3\n", "my.toml"),
    ],
)
def test_an_error_names_file_and_line(text: str, where: str):
    write("my.toml", f'base = "classical"\n{text}')
    assert refused("--config", "my.toml")["where"] == where
    write("further.toml", 'base = "my.toml"\nseed = 3\n')
    assert refused("--config", "further.toml", "--set", "seed=4")["where"] == where


# --- what is shown ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_shown_is_a_configuration_that_says_the_same(name: str):
    text = run("config", "show", "--config", name).output
    write("saved.toml", text)
    assert plain(load_config("saved.toml")) == plain(load_config(name))
    assert "base" not in tomllib.loads(text)


def test_what_is_shown_can_be_saved_whatever_it_says():
    odd = {"a key": [1, {"x": "# no comment"}], "b": {"c.d": 'quotes " and \\'}, "empty": {}}
    table = 'name = "openai"\nmodel = "m"\nrevision = "line\\nbreak"\n'
    body = '"a key" = [1, { x = "# no comment" }], b = { "c.d" = \'quotes " and \\\' }, empty = {}'
    options = f"{table}extra_body = {{ {body} }}\n"
    write("odd # name\n.toml", f'base = "classical"\n[backends.vlm]\n{options}')
    text = run("config", "show", "--config", "./odd # name\n.toml").output
    write("saved.toml", text)
    shown = show("--config", "saved.toml")
    vlm = shown["configuration"]["backends"]["vlm"]
    assert vlm == {"name": "openai", "model": "m", "revision": "line\nbreak", "extra_body": odd}
    assert shown["origins"]["backends.vlm.extra_body.empty"] == "saved.toml"


def test_each_value_is_shown_with_where_it_comes_from():
    write("my.toml", 'base = "paper-fast"\n[encoding]\ncrf = 18\n')
    text = run("config", "show", "--config", "my.toml", "--set", "backends.image_editor.steps=8").output
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert 'name = "my" # the file\'s name' in lines
    assert "crf = 18 # my.toml" in lines
    assert 'preset = "veryfast" # default' in lines
    assert "steps = 8 # --set" in lines
    assert "fps = 16 # base paper" in lines
    assert 'schedule = "lightx2v" # base paper-fast' in lines
    assert "# short_side = 320 # default" in lines  # an option that is not set
    shown = show("--config", "my.toml", "--set", "backends.image_editor.steps=8")
    assert shown["origins"]["backends.image_editor.steps"] == "--set"
    assert shown["defaults"]["flow"]["short_side"] == 320


def test_every_key_is_described():
    tables = json.loads(run("config", "reference", "--json").output)["tables"]
    undescribed = [(t["name"], t["backend"], k["name"]) for t in tables for k in t["keys"] if not k["about"]]
    assert undescribed == []
    (editor,) = (table for table in tables if table["backend"] == "flux2-klein")
    steps = next(key for key in editor["keys"] if key["name"] == "steps")
    assert (editor["name"], steps["type"], steps["default"]) == ("backends.image_editor", "integer", "4")
    assert steps["about"].startswith("Of denoising; the distilled model")
