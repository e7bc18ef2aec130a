"""Cards by the Hub's own rules, and every line of their code against a Hub: the client is unmodified."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from harness import factories, judged
from sparkle._files import read_jsonl, write_jsonl
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.building.webdataset import WebDatasetOptions
from sparkle.builders.cards.bench import render_bench_card
from sparkle.builders.cards.model import render_model_card
from sparkle.builders.release.formats import csv_line
from sparkle.builders.upstream.import_ import import_upstream
from sparkle.hub.staging.store.cards import check_card_yaml
from sparkle.schemas import layout
from sparkle.schemas.layout import SOURCE_VIDEO

pytestmark = pytest.mark.slow

MODEL = """
name = "Background swapper"
license = "cc-by-4.0"
base_model = "linyq/wan2.2_ti2v_5b_stage2"
dataset = "stdKonjac/Sparkle"
revision = "v1.0"
verdicts = ["verdicts.jsonl"]
[training]
steps = 10000
"""
VALIDATE = """
import sys
from huggingface_hub import DatasetCard, ModelCard
for path in sys.argv[1:]:
    (ModelCard if path.endswith("model.md") else DatasetCard).load(path).validate()
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
api, folder = HfApi(), sys.argv[1]
repo = f"{api.whoami()['name']}/{sys.argv[2]}"
api.create_repo(repo, repo_type="dataset")
api.upload_folder(repo_id=repo, repo_type="dataset", folder_path=folder)
print(repo)
"""


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pairs of location and season with paired shards; one source has terms of its own."""
    folder = tmp_path_factory.mktemp("card")
    run = factories.write_run(
        folder / "run", [*factories.specs("location", 6), *factories.specs("season", 2)]
    )
    sources = [value for _, value in read_jsonl(run / layout.SOURCES)]
    sources[0]["licence"] = "cc-by-nc-4.0"
    write_jsonl(run / layout.SOURCES, sources)
    options = ReleaseOptions(max_shard_size=12_000, preview=2, webdataset=WebDatasetOptions(), plots=True)
    return build_release([run], folder / "release", options).out


@pytest.fixture(scope="module")
def bench(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One video of season."""
    folder = tmp_path_factory.mktemp("bench")
    video = layout.bench_source("season", "Sparkle_season_000000")
    (folder / video).parent.mkdir(parents=True)
    shutil.copy(release / SOURCE_VIDEO.path("Sparkle_season_000000"), folder / video)
    rows = [list(layout.BENCH_CSV_COLUMNS), ["season", "Let it snow.", video]]
    (folder / layout.bench_csv("season")).write_text("".join(map(csv_line, rows)))
    metadata = {
        "edit_type": "season",
        "chosen_keyword": "winter: a snowy field",
        "original_scene": "A field.",
    }
    line = {"id": "Sparkle_season_000000", "prompt": "Let it snow.", "metadata": metadata}
    write_jsonl(folder / layout.bench_metadata("season"), [line])
    (folder / layout.CARD).write_text(render_bench_card(folder))
    return folder


@pytest.fixture(scope="module")
def cards(
    release: Path, bench: Path, shared: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Every kind of card as a file."""
    folder = tmp_path_factory.mktemp("cards")
    (folder / "model.toml").write_text(MODEL)
    judged.write(folder / "verdicts.jsonl")
    (folder / "model.md").write_text(render_model_card(folder / "model.toml"))
    return {
        **shared,
        "terms": release / layout.CARD,
        "bench": bench / layout.CARD,
        "model": folder / "model.md",
    }


@pytest.fixture(scope="module")
def shared(releases: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Cards of a release as most are, and of an import with and without a card of its own."""
    plain = releases[0]
    folder = tmp_path_factory.mktemp("downloaded")
    shutil.copytree(plain / "prompts", folder / "prompts")
    for path in plain.glob("*_video_part*.tar"):
        shutil.copy(path, folder)
    bare = import_upstream(folder, folder.parent / "bare").out
    (folder / layout.CARD).write_text("---\nlicense: cc-by-4.0\n---\n# Sparkle\n")
    carded = import_upstream(folder, folder.parent / "carded").out
    return {"release": plain / layout.CARD, "bare import": bare / layout.CARD, "import": carded / layout.CARD}


KINDS = ("release", "bare import", "import", "terms", "bench", "model")


@pytest.mark.parametrize("kind", KINDS)
def test_the_hubs_rules_find_nothing(cards: dict[str, Path], kind: str) -> None:
    text = cards[kind].read_text()
    errors, warnings = check_card_yaml(text, "model" if kind == "model" else "dataset")
    assert errors == []
    assert [warning for warning in warnings if kind != "bare import" or "license" not in warning] == []


def test_the_client_validates_all_of_them_at_a_hub(hub: Any, cards: dict[str, Path], tmp_path: Path) -> None:
    assert set(cards) == set(KINDS)
    hub.reset_counters()
    hub.python(VALIDATE, tmp_path / "home", *cards.values())
    assert hub.counters()["total"] == len(KINDS)


def test_a_card_that_the_hub_refuses_is_refused_here(
    hub: Any, cards: dict[str, Path], tmp_path: Path
) -> None:
    card = tmp_path / "README.md"
    card.write_text(cards["release"].read_text().replace("license: unknown", "license: My Own", 1))
    done = hub.python(VALIDATE, tmp_path / "home", card, check=False)
    assert done.returncode != 0
    assert "license" in done.stderr


def test_every_line_of_a_releases_card_runs_against_a_hub(hub: Any, release: Path, tmp_path: Path) -> None:
    """In the order of the card: loaded by name, read by range, downloaded, read where it is, unpacked."""
    home, folder = tmp_path / "home", tmp_path / "downloaded"
    repo = hub.python(UPLOAD, home, release, "pairs").stdout.split()[-1]
    blocks = re.findall(
        r"^```(python|bash)\n(.*?)^```", (release / layout.CARD).read_text(), re.DOTALL | re.MULTILINE
    )
    languages = [language for language, _ in blocks]
    assert languages == ["python", "python", "bash", "python", "python", "bash", "python", "bash"]
    environment = {**hub.env(home), "REPO": repo, "FOLDER": str(folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    first, ranged, download, local, paired, unpack, ours, export = (code for _, code in blocks)
    told = (
        "import json; print(json.dumps([len(pairs), len(list(stream)), len(best), len(records), len(video)]))"
    )
    done = hub.python("\n".join([f"REPO = {repo!r}", first, ranged, told]), home)
    row = pq.read_table(min((release / "data/location").iterdir())).to_pylist()[0]
    assert json.loads(done.stdout.splitlines()[-1]) == [6, 6, 6, 6, row["edited_video_size"]]
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", download], env=environment, check=True, capture_output=True
    )
    assert not list(folder.glob("season*"))
    shutil.copytree(release / "webdataset", folder / "webdataset")
    told = "import json; print(json.dumps([len(video), list(masks.shape), len(pixels), len(list(samples))]))"
    again = "print(json.dumps([len(video), list(masks.shape)]))"  # this time by `sparkle`, from the Hub
    names = f"REPO, FOLDER = {repo!r}, {str(folder)!r}"
    done = hub.python("\n".join([names, local, paired, told, ours, again]), home)
    size, shape = row["edited_video_size"], [9, 48, 64]
    assert [json.loads(line) for line in done.stdout.splitlines()[-2:]] == [
        [size, shape, 4, 6],
        [size, shape],
    ]
    for block in (unpack, export):
        subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=environment, cwd=tmp_path, check=True)
    for path in (row["src_video"], row["tgt_video"]):
        assert (folder / path).is_file()
        assert (tmp_path / "train" / path).samefile(folder / path)


def test_every_line_of_an_imports_card_runs_against_a_hub(
    hub: Any, cards: dict[str, Path], tmp_path: Path
) -> None:
    repo = hub.python(UPLOAD, tmp_path / "home", cards["import"].parent, "imported").stdout.split()[-1]
    (code,) = re.findall(r"^```python\n(.*?)^```", cards["import"].read_text(), re.DOTALL | re.MULTILINE)
    done = hub.python(f"REPO = {repo!r}\n{code}\nprint(len(pairs), len(records))", tmp_path / "home")
    assert done.stdout.split()[-2:] == ["5", "5"]


def test_every_line_of_a_benchs_card_runs_against_a_hub(hub: Any, bench: Path, tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "downloaded"
    repo = hub.python(UPLOAD, home, bench, "bench").stdout.split()[-1]
    text = (bench / layout.CARD).read_text()
    (download,) = re.findall(r"^```bash\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    environment = {**hub.env(home), "REPO": repo, "FOLDER": str(folder)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", download], env=environment, check=True, capture_output=True
    )
    python = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    told = "print(bench[0]['prompt'], source.is_file())"
    done = hub.python("\n".join([f"REPO, FOLDER = {repo!r}, {str(folder)!r}", *python, told]), home)
    assert done.stdout.splitlines()[-1] == "Let it snow. True"
