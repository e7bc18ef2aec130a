"""The names of `sparkle` itself: light to import, explained in groups, each with an example that runs."""

from __future__ import annotations

import doctest
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import sparkle
from harness import factories
from sparkle.schemas.layout import KINDS

HEAVY = ("numpy", "pyarrow", "datasets", "torch", "av", "cv2", "huggingface_hub", "click", "msgspec")
NAMES = [name for name in sparkle.__all__ if name != "__version__"]


@pytest.mark.parametrize("name", sparkle.__all__)
def test_every_name_is_there(name):
    assert getattr(sparkle, name)
    assert name in dir(sparkle)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sparkle.nothing


def test_every_kind_is_public():
    assert {getattr(sparkle, name) for name in NAMES if name.isupper()} == set(KINDS)


def test_import_is_light():
    code = f"import sys, sparkle; dir(sparkle); print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_type_checkers_see_the_names_that_there_are():
    source = inspect.getsource(sparkle)
    checked = source[source.index("if TYPE_CHECKING:") : source.index("_PUBLIC = ")]
    assert {line.split(" as ")[1] for line in checked.splitlines() if " as " in line} == set(NAMES)


def test_help_has_every_name_in_a_group():
    lines = [line.split() for line in sparkle.__doc__.splitlines() if line.startswith("    ")]
    listed = [name for words in lines for name in (words if words[0].isupper() else words[:1])]
    assert sorted(listed) == NAMES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the examples name: a run and a release of it."""
    folder = tmp_path_factory.mktemp("examples")
    run = [*factories.specs("location", 6), *factories.specs("season", 3)]
    factories.write_run(folder / "runs" / "demo", run)
    sparkle.build(folder / "runs" / "demo", folder / "releases" / "demo")
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_the_example_of_every_name_runs(name, folder, tmp_path, monkeypatch):
    value = getattr(sparkle, name)
    names = {"sparkle": sparkle}
    if name in ("Clip", "PairDataset", "collate", "kiwi"):
        names["torch"] = pytest.importorskip("torch")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path))
    test = doctest.DocTestParser().get_doctest(inspect.getdoc(value) or "", names, name, None, None)
    assert test.examples, f"{name} has no example"
    told: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(test, out=told.append)
    assert result.failed == 0, "".join(told)
