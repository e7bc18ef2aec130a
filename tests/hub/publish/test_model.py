"""A model is published with its verdicts, and verified: every byte, and the results that its card shows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from click.testing import CliRunner

import sparkle
from harness import judged
from sparkle.builders.release.manifest import describe_file, dump_manifest, list_files
from sparkle.commands.card import card as card_command
from sparkle.commands.validate import validate as validate_command
from sparkle.commands.verify import verify as verify_command
from sparkle.schemas import layout

_CLI = "import sys; from sparkle.commands import hub; hub(sys.argv[1:])"
_SAYS = {
    "name": "Background swapper",
    "license": "cc-by-4.0",
    "base_model": "linyq/wan2.2_ti2v_5b_stage2",
    "dataset": "me/sparkle",
    "revision": "v1.0",
    "verdicts": ["verdicts/kiwi.jsonl"],
}


def update(folder: Path) -> Any:
    return CliRunner().invoke(card_command, [str(folder), "--update"])


def rehash(folder: Path) -> None:
    """Write the manifest of what is in a folder now, as whoever spoilt it could."""
    paths = [path for path in list_files(folder) if path != layout.MANIFEST]
    entries = [describe_file(folder, path) for path in paths]
    (folder / layout.MANIFEST).write_bytes(dump_manifest(entries))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model with weights and verdicts."""
    folder = tmp_path / "swapper"
    (folder / "verdicts").mkdir(parents=True)
    judged.write(folder / "verdicts/kiwi.jsonl")
    (folder / layout.MODEL).write_text(tomli_w.dumps(_SAYS))
    (folder / "model.safetensors").write_bytes(bytes(range(256)) * 100)
    done = update(folder)
    assert done.exit_code == 0, done.output
    return folder


def verify(hub: Any, home: Path, *words: object) -> tuple[int, dict[str, Any]]:
    """Verify by the command, as somebody who may only read and has nothing yet."""
    command = [sys.executable, "-c", _CLI, "verify", *map(str, words), "--json"]
    env = hub.env(home, token=hub.read_token)
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    assert done.stdout, done.stderr
    assert hub.read_token not in done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


def status(answer: dict[str, Any]) -> dict[str, str]:
    return {level["level"]: level["status"] for level in answer["levels"]}


@pytest.mark.slow
@pytest.mark.parametrize("xet", [True, False], ids=["xet", "lfs"])
def test_a_model_is_published_and_verified(
    publisher: Any, hashes: Any, model: Path, tmp_path: Path, xet: bool
) -> None:
    repo = f"me/swapper-{xet}"
    said = publisher.run(model, repo, "--tag", "v1.0", xet=xet)
    assert (said["where"], said["commits"]) == (f"hf://{repo}", 1)
    assert said["address"] == f"{publisher.hub.url}/{repo}"
    files = {item.path for item in publisher.api.list_repo_tree(repo, recursive=True, repo_type="model")}
    assert files >= hashes(model).keys()
    assert not publisher.api.repo_exists(repo, repo_type="dataset")
    info = publisher.api.model_info(repo)
    assert info.card_data.license == "cc-by-4.0"
    assert info.card_data.eval_results
    got = publisher.api.snapshot_download(repo, local_dir=tmp_path / "got")
    assert {path: sha for path, sha in hashes(Path(got)).items() if path in hashes(model)} == hashes(model)

    assert publisher.run(model, repo, "--tag", "v1.0", xet=xet)["commits"] == 0
    for name in (repo, f"{repo}@v1.0", f"hf://{repo}", f"{repo}@{said['head']}"):
        code, answer = verify(publisher.hub, tmp_path / "reader", name)
        assert code == 0, answer
        assert status(answer) == {
            "integrity": "proved",
            "consistency": "proved",
            "reshard": "not proved",
            "replay": "not proved",
            "consumers": "not proved",
        }
    code, answer = verify(publisher.hub, tmp_path / "reader", repo, "--level", "replay")
    assert code == 2
    assert "a model has no tars" in answer["error"]["got"]


@pytest.mark.slow
def test_of_two_with_one_name_each_is_itself(
    publisher: Any, releases: tuple[Path, Path], model: Path, hashes: Any, tmp_path: Path
) -> None:
    publisher.run(releases[0], "me/both")
    publisher.run(model, "me/both")
    assert publisher.tree("me/both") == hashes(releases[0])
    code, answer = verify(publisher.hub, tmp_path / "reader", "me/both", "--level", "integrity")
    assert (code, answer["levels"][0]["files"]) == (0, len(hashes(releases[0])) - 1)
    code, answer = verify(publisher.hub, tmp_path / "reader", "hf://me/both", "--level", "integrity")
    assert (code, answer["levels"][0]["files"]) == (0, len(hashes(model)) - 1)
    said = publisher.refused(releases[0], "hf://me/both")
    assert "name of a" in said["problem"]
    said = publisher.refused(model, "hf://datasets/me/both")
    assert said["problem"] == "not the name of a model repository"


@pytest.mark.slow
def test_what_somebody_changed_there_is_found(publisher: Any, model: Path, tmp_path: Path) -> None:
    publisher.run(model, "me/changed")
    publisher.api.upload_file(
        path_or_fileobj=b"other weights", path_in_repo="model.safetensors", repo_id="me/changed"
    )
    code, answer = verify(publisher.hub, tmp_path / "reader", "me/changed")
    assert code == 1
    assert status(answer)["integrity"] == "wrong"
    assert status(answer)["consistency"] == "proved"

    judged.write(model / "verdicts/kiwi.jsonl", judged.verdicts(judged.level(1)))
    rehash(model)  # a whole folder, whose card shows the results of other verdicts
    publisher.api.upload_folder(folder_path=model, repo_id="me/changed")
    code, answer = verify(publisher.hub, tmp_path / "reader", "me/changed")
    assert code == 1
    assert (status(answer)["integrity"], status(answer)["consistency"]) == ("proved", "wrong")
    assert answer["findings"][0]["file"] == layout.CARD


def test_a_card_with_other_results_is_not_published(model: Path) -> None:
    assert CliRunner().invoke(validate_command, [str(model)]).exit_code == 0
    whole = (model / layout.CARD).read_text()
    row = next(line for line in whole.splitlines() if " to " in line and line.startswith("| "))
    for old, new in (
        (row, row.replace(row[2:6], "4.99")),
        ("value: ", "value: 1"),
        ("## Results", "## Scores"),
    ):
        edit(model / layout.CARD, old, new)
        rehash(model)
        done = CliRunner().invoke(validate_command, [str(model)])
        assert done.exit_code == 1, (old, new)
        assert "the results are not those of the verdicts beside the card" in done.output
        done = CliRunner().invoke(verify_command, [str(model)])
        assert done.exit_code == 1
        (model / layout.CARD).write_text(whole)
    rehash(model)
    assert CliRunner().invoke(verify_command, [str(model)]).exit_code == 0


def test_own_words_stay_and_edits_elsewhere_are_not_lost(model: Path) -> None:
    edit(model / layout.CARD, "again -->\n", "again -->\nIt likes piers.\n")
    assert update(model).exit_code == 0
    assert "It likes piers." in (model / layout.CARD).read_text()
    assert CliRunner().invoke(validate_command, [str(model)]).exit_code == 0
    edit(model / layout.CARD, "# Background swapper", "# The best swapper")
    done = update(model)
    assert done.exit_code == 2
    assert "edited outside the room" in done.output
    assert "# The best swapper" in (model / layout.CARD).read_text()


@pytest.mark.parametrize("name", ["../kiwi.jsonl", "none.jsonl", "/etc/hostname"])
def test_verdicts_elsewhere_make_no_model(model: Path, name: str) -> None:
    judged.write(model.parent / "kiwi.jsonl")
    before = (model / layout.CARD).read_bytes()
    (model / layout.MODEL).write_text(tomli_w.dumps(_SAYS | {"verdicts": [name]}))
    assert update(model).exit_code == 2
    assert (model / layout.CARD).read_bytes() == before
    rehash(model)
    done = CliRunner().invoke(validate_command, [str(model)])
    assert done.exit_code == 1
    assert name in done.output


def test_what_says_too_much_is_not_read(model: Path) -> None:
    with (model / layout.MODEL).open("ab") as file:
        file.write(b"#" * (2 << 20))
    rehash(model)
    done = CliRunner().invoke(verify_command, [str(model), "--level", "consistency"])
    assert done.exit_code == 1
    assert "a file of the model is too large" in done.output


def test_a_model_is_no_release_and_replaces_none(
    model: Path, releases: tuple[Path, Path], tmp_path: Path
) -> None:
    release = tmp_path / "published"
    sparkle.publish(releases[0], release)
    with pytest.raises(sparkle.ReleaseError, match="a model, and no release"):
        sparkle.open_pairs(str(model))
    with pytest.raises(sparkle.ReleaseError, match="something else stands there"):
        sparkle.publish(model, release)
    assert sparkle.verify(release, levels=["integrity"]).ok
    (model / layout.MANIFEST).rename(tmp_path / "manifest")
    with pytest.raises(sparkle.ReleaseError, match=r"card .* --update"):
        sparkle.publish(model, tmp_path / "models")
    (tmp_path / "manifest").rename(model / layout.MANIFEST)
    sparkle.publish(model, tmp_path / "models")
    assert sparkle.verify(tmp_path / "models").ok
