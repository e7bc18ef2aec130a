"""The card of a model: what its file says, what the release adds, and files that say too little."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import tomli_w
import yaml
from click.testing import CliRunner

from harness import ROOT, judged
from sparkle.builders.bench.report import make_report
from sparkle.builders.cards.model import render_model_card
from sparkle.commands.card import card as command
from sparkle.schemas import layout
from sparkle.schemas.canonical import sha256_file
from sparkle.schemas.errors import ConfigError, ReleaseError, SparkleError
from sparkle.schemas.rubric import SPARKLE_6

MODEL = {
    "name": "Background swapper",
    "license": "cc-by-4.0",
    "base_model": "linyq/wan2.2_ti2v_5b_stage2",
    "dataset": "stdKonjac/Sparkle",
    "revision": "v1.0",
    "training": {"steps": 10_000, "batch size": 128, "note": "a | in a cell"},
    "train": "accelerate launch -m sparkle train train.py \\\n  --output_path ckpt",
    "infer": "python demo.py --video_path in.mp4",
    "verdicts": ["kiwi.jsonl"],
}


def write(folder: Path, **changes: object) -> Path:
    judged.write(folder / "kiwi.jsonl")
    values = {name: value for name, value in (MODEL | changes).items() if value is not None}
    (folder / "model.toml").write_text(tomli_w.dumps(values))
    return folder / "model.toml"


def test_it_says_what_the_file_says(tmp_path: Path) -> None:
    card = render_model_card(write(tmp_path))
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["base_model"], front["datasets"]) == (
        "cc-by-4.0",
        "linyq/wan2.2_ti2v_5b_stage2",
        ["stdKonjac/Sparkle"],
    )
    (result,) = front["model-index"][0]["results"]
    assert result["dataset"] == {"type": "drawn", "name": "drawn"}
    (row,) = make_report([tmp_path / "kiwi.jsonl"]).document["tables"][0]["rows"]
    names = {metric["type"]: (metric["name"], metric["value"]) for metric in result["metrics"]}
    assert [*names] == ["overall", *(dimension.key for dimension in SPARKLE_6.dimensions)]
    assert names["fg_motion"] == (
        "Foreground Motion Consistency, judged by someone",
        round(row["macro"]["fg_motion"], 4),
    )
    for line in (
        "| steps | 10000 |",
        "| note | a \\| in a cell |",
        "```bash\naccelerate launch -m sparkle train train.py \\\n  --output_path ckpt\n```",
        "```bash\npython demo.py --video_path in.mp4\n```",
        f"Verdicts: sha256 `{sha256_file(tmp_path / 'kiwi.jsonl')}`, on bench `{'a' * 64}`.",
        f"| {row['macro']['overall']:.2f} ({row['interval']['overall'][0]:.2f} to ",
    ):
        assert line in card
    assert "--revision v1.0" in card
    assert "manifest" not in card


def test_a_name_of_any_letters_is_yaml(tmp_path: Path) -> None:
    name = 'Swap: "a" # b\n---\nlicense: mit'
    card = render_model_card(write(tmp_path, name=name))
    front = yaml.safe_load(card[4 : card.index("\n---\n", 4)])
    assert front["license"] == "cc-by-4.0"
    assert front["model-index"][0]["name"] == name


def test_with_the_release_it_says_what_exactly_was_trained_on(shared_release: Path, tmp_path: Path) -> None:
    (tmp_path / "release").symlink_to(shared_release)
    card = render_model_card(write(tmp_path, release="release", themes=["location"]))
    assert f"`{sha256_file(shared_release / layout.MANIFEST)}`" in card
    assert "| pairs of `location` | 6 |" in card
    assert "openve3m" not in card
    assert "| pairs in all | 6 |" in card


def test_without_training_and_results_it_has_no_empty_tables(tmp_path: Path) -> None:
    card = render_model_card(write(tmp_path, training=None, train=None, infer=None, verdicts=None))
    assert "## Training" not in card
    assert "## Results" not in card
    assert "model-index" not in card


@pytest.mark.parametrize(
    "changes",
    [
        {"name": None},
        {"revision": None},
        {"dataset": "Sparkle"},
        {"base_model": "a/b/c"},
        {"colour": "red"},
        {"training": {"steps": [1, 2]}},
        {"results": {"Sparkle-Bench": {"compliance": 4.25}}},
        {"infer": "```"},
    ],
)
def test_a_file_that_is_not_as_it_should_be_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        render_model_card(write(tmp_path, **changes))
    assert "model.toml" in str(caught.value)


def test_a_part_of_the_bench_has_bounds_and_no_rank(tmp_path: Path) -> None:
    found = judged.verdicts(judged.level(2))
    file = write(tmp_path)
    judged.write(tmp_path / "kiwi.jsonl", [judged.without_scores(found[0], "refused"), *found[1:]])
    card = render_model_card(file)
    assert "**partial, 35 of 36 edits have scores**" in card
    assert "model-index" not in card
    assert re.search(r"^\| [0-9.]+ to [0-9.]+ \| ", card, re.MULTILINE)


def test_two_judges_have_a_table_each_and_two_models_none(tmp_path: Path) -> None:
    judged.write(tmp_path / "other.jsonl", judge="another")
    card = render_model_card(write(tmp_path, verdicts=["kiwi.jsonl", "other.jsonl"]))
    assert "judged by another (scripted), rubric sparkle-6." in card
    assert "judged by someone (scripted), rubric sparkle-6." in card
    judged.write(tmp_path / "other.jsonl", model="lucy")
    with pytest.raises(ReleaseError, match="verdicts on another model"):
        render_model_card(write(tmp_path, verdicts=["kiwi.jsonl", "other.jsonl"]))
    with pytest.raises(ReleaseError, match="cannot be read"):
        render_model_card(write(tmp_path, verdicts=["none.jsonl"]))


def test_files_that_cannot_be_read_are_refused(shared_release: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text("name = ")
    for file in (tmp_path / "bad.toml", tmp_path / "none.toml"):
        with pytest.raises(ConfigError):
            render_model_card(file)
    (tmp_path / "release").symlink_to(shared_release)
    for changes in ({"release": "nowhere"}, {"release": "release", "themes": ["style"]}):
        with pytest.raises(ReleaseError):
            render_model_card(write(tmp_path, **changes))


def test_the_command_prints_it(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(write(tmp_path))])
    assert done.exit_code == 0
    assert done.output == render_model_card(tmp_path / "model.toml")


def test_the_command_prints_the_card_of_a_release(shared_release: Path) -> None:
    done = CliRunner().invoke(command, [str(shared_release)])
    assert done.output == (shared_release / layout.CARD).read_text()
    empty = CliRunner().invoke(command, [str(shared_release.parent / "nothing")])
    assert empty.exit_code == 2


def test_errors_are_the_projects_own(tmp_path: Path) -> None:
    with pytest.raises(SparkleError):
        render_model_card(write(tmp_path, themes="location"))


def test_the_example_in_the_documentation_has_a_card(shared_release: Path, tmp_path: Path) -> None:
    text = (ROOT / "docs/cards.md").read_text()
    _, example = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases/demo").symlink_to(shared_release)
    (tmp_path / "model.toml").write_text(example)
    judged.write(tmp_path / "verdicts-kiwi.jsonl")
    card = render_model_card(tmp_path / "model.toml")
    assert "| batch size | 128 |" in card
    assert "| pairs of `location` | 6 |" in card
