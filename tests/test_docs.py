"""The documentation: every path and link in it exists, and it uses public names only."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

import sparkle
from harness import ROOT, api_page
from sparkle.commands import main
from sparkle.commands.bench_judge import JUDGES
from sparkle.generation.judges import judge_names, load_judge

ABOUT_US = ["CONTRIBUTING.md", "SECURITY.md", "CODE_OF_CONDUCT.md"]
PAGES = ["README.md", *ABOUT_US, *(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
EXAMPLES = [f"examples/{file.name}" for file in (ROOT / "examples").iterdir() if file.suffix]
FOR_USERS = [page for page in PAGES if page not in ABOUT_US]

FOLDERS = ("schemas", "generation", "builders", "hub")

_LINK = re.compile(r"\]\((?!https?://)(?P<path>[^)#]*)(#(?P<anchor>[^)]*))?\)")
_PATH = re.compile(rf"(?<![\w./~-])((?:{'|'.join(FOLDERS)}|sparkle|tests|benchmarks|examples|docs)/[\w./-]+)")
_VARIABLE = re.compile(r"\b(?:SPARKLE|HF|OPENAI|CUDA|XDG)_[A-Z_]+[A-Z]\b")
_WORDS = re.compile(
    r"else than|\ba processor\b|a line a |a tar a |that cannot be\b(?! \w)|Told how|stands in|taken down of"
)


def code_of(text: str) -> str:
    """Code in a page: blocks and spans."""
    return "\n".join(re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL))


def tracked() -> set[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = set(listed.stdout.splitlines())
    return files | {str(parent) for file in files for parent in Path(file).parents}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_leads_somewhere(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    for match in _LINK.finditer(text):
        target = (ROOT / page).parent / match["path"] if match["path"] else ROOT / page
        assert target.exists(), match[0]
        if match["anchor"]:
            headings = re.findall(r"^#+ (.*)$", target.read_text("utf-8"), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
            assert match["anchor"] in anchors, match[0]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_of_the_checkout_exists(page: str) -> None:
    known = tracked()
    for path in _PATH.findall(code_of((ROOT / page).read_text("utf-8"))):
        assert path.rstrip("/.") in known, path


@pytest.mark.parametrize("page", [*FOR_USERS, *EXAMPLES])
def test_only_public_names_are_used(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert {*re.findall(r"\bsparkle\.([A-Za-z_]\w*)", text)} <= {*sparkle.__all__}
    assert re.findall(rf"(?:from|import) sparkle\.(?:{'|'.join(FOLDERS)})", text) == []
    for names in re.findall(r"from sparkle import ([\w, ]+)", text):
        assert set(names.split(", ")) <= set(sparkle.__all__), names


@pytest.mark.parametrize("page", FOR_USERS)
def test_python_in_a_page_is_python(page: str) -> None:
    for block in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL):
        ast.parse(block)


def fragments() -> Iterator[tuple[str, str]]:
    """Every block of TOML that is a configuration, with its page; cards.md and bench.md have others."""
    for page in FOR_USERS:
        for block in re.findall(r"```toml\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL):
            if page not in ("docs/cards.md", "docs/bench.md"):
                yield page, block


def test_the_pages_have_configurations() -> None:
    assert {page for page, _ in fragments()} == {
        "docs/configuration.md",
        "docs/models.md",
        "docs/pipeline.md",
    }


def test_toml_of_the_page_about_benches_is_a_judges_file(tmp_path: Path) -> None:
    page = (ROOT / "docs/bench.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    (tmp_path / "judge.toml").write_text(block, "utf-8")
    assert load_judge(tmp_path / "judge.toml").who.name == "my-judge"


def test_every_judge_of_the_package_is_on_the_page_and_in_the_help() -> None:
    page = (ROOT / "docs/bench.md").read_text("utf-8")
    assert judge_names() == sorted(JUDGES)
    assert {name for name in JUDGES if f"| `{name}` |" not in page} == set()
    for name in {*JUDGES} - {"human", "qwen3-vl-8b-local"}:  # which want ratings, and the Hub
        assert load_judge(name).rubric.name == "sparkle-6"


@pytest.mark.parametrize(("page", "block"), list(fragments()))
def test_toml_in_a_page_is_a_configuration(page: str, block: str, tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text(block, "utf-8")
    shown = CliRunner().invoke(main, ["config", "show", "--config", str(tmp_path / "my.toml")])
    assert shown.exit_code == 0, shown.output


def test_the_page_about_configurations_is_what_the_classes_say() -> None:
    made = CliRunner().invoke(main, ["config", "reference"]).output
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page == made, "run: sparkle config reference > docs/configuration.md"


def test_the_page_about_public_names_is_what_docstrings_say() -> None:
    page = (ROOT / "docs" / "api.md").read_text("utf-8")
    assert page == api_page.as_markdown(), f"run: {api_page.REGENERATE}"


def test_the_start_page_leads_to_every_page() -> None:
    start = (ROOT / "docs" / "README.md").read_text("utf-8")
    linked = {match["path"] for match in _LINK.finditer(start)}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_plain_words(page: str) -> None:
    assert [match[0] for match in _WORDS.finditer((ROOT / page).read_text("utf-8"))] == []


def test_the_public_workflow_runs_what_the_makefile_has() -> None:
    workflow = (ROOT / ".github/workflows/test.yml").read_text("utf-8")
    jobs = yaml.safe_load(workflow)["jobs"]
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (oldest,) = re.findall(r"^OLDEST := (.*)$", makefile, re.MULTILINE)
    assert jobs["all"]["steps"][1]["with"]["python-version"] == oldest
    targets = re.findall(r"run: make (\S+)", workflow)
    assert targets == ["test", "test-quick"]
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)
    assert set(re.findall(r"uses: (\w+)/", workflow)) == {"actions"}


def test_the_citation_is_of_the_paper_that_the_cards_cite() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    (paper,) = citation["references"]
    bibtex = (ROOT / "builders/cards/templates/card_citation.md").read_text("utf-8")
    for text in (paper["title"], paper["url"], *(name["family-names"] for name in paper["authors"])):
        assert text in bibtex


def test_every_environment_variable_is_on_its_page() -> None:
    page = (ROOT / "docs" / "environment.md").read_text("utf-8")
    listed = subprocess.run(
        ["git", "ls-files", "sparkle/*.py", *(f"{folder}/*.py" for folder in FOLDERS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    named = {
        name
        for file in listed.stdout.splitlines()
        for name in _VARIABLE.findall((ROOT / file).read_text("utf-8"))
    }
    assert {"SPARKLE_CACHE", "HF_ENDPOINT", "OPENAI_BASE_URL"} <= named
    assert {name for name in named if f"`{name}`" not in page} == set()
