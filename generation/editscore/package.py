"""The package `editscore`: found, imported without its side effects, and asked for its words.

- Importing it puts `editscore` in front of `sys.path`, and its parsers print what they cannot read: neither
  reaches anything else.
- With a backbone that it does not know it loads no model: what answers is given to it.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from sparkle.schemas.canonical import sha256_bytes
from sparkle.schemas.errors import ConfigError

if TYPE_CHECKING:
    from types import ModuleType

INSTALL = "pip install --no-deps editscore==0.2 && pip install json-repair regex"
PACKAGES = ("editscore", "json-repair")  # what decides how an answer is read


def package_versions() -> dict[str, str]:
    """Versions of the package and of what it reads answers with; raises ConfigError where one is missing."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise ConfigError("a package is not installed", wanted=name, fix=INSTALL) from None
    return found


def import_package() -> ModuleType:
    """The package; raises ConfigError where it is missing."""
    package_versions()
    before = list(sys.path)
    try:
        import editscore
    except ImportError as error:
        raise ConfigError("a package is not installed", wanted=error.name, fix=INSTALL) from None
    finally:
        sys.path[:] = before
    module: ModuleType = editscore
    return module


def make_scorer(*, score_range: int, passes: int, seed: int) -> Any:
    """An `EditScore` without a model: set its `model` before it is used.

    Args:
        score_range: The model scores from 0 to this.
        passes: How often each question is asked.
        seed: Of the first pass; each further one adds 1.
    """
    return import_package().EditScore(
        backbone="custom", score_range=score_range, num_pass=passes, seed=seed, reduction="average_last"
    )


def prompt_hashes(score_range: int) -> dict[str, str]:
    """sha256 of the package's two prompts, for a fingerprint."""
    scorer = make_scorer(score_range=score_range, passes=1, seed=0)
    return {"SC": sha256_bytes(scorer.SC_prompt.encode()), "PQ": sha256_bytes(scorer.PQ_prompt.encode())}


@contextmanager
def silent() -> Iterator[None]:
    """What the package prints goes nowhere: standard output is for results."""
    with redirect_stdout(io.StringIO()):
        yield
