"""The names of a repository and of its branches and tags, as people and `datasets` write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sparkle.schemas.errors import ConfigError

RepoKind = Literal["dataset", "model"]
DATASET: RepoKind = "dataset"
MODEL: RepoKind = "model"
HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_MODEL_SCHEME = "hf://"  # and one of a model
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# `git help check-ref-format`.
_BAD_REFERENCE = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock(/|$)|^@$|^$")
_LONGEST_REFERENCE = 255  # bytes: what file systems take


@dataclass(frozen=True)
class Repository:
    """What names a repository.

    Attributes:
        name: `owner/name`.
        revision: A branch, tag or commit; None is the main branch.
        kind: Of a dataset or a model; None where the name does not say.
    """

    name: str
    revision: str | None = None
    kind: RepoKind | None = DATASET

    @classmethod
    def parse(cls, text: str, *, models: bool = False) -> Repository:
        """Read `owner/name` or `owner/name@revision`, also after `hf://datasets/`; raises ConfigError.

        With `models`, a name may be a model's: one after `hf://` is, a plain one does not say.
        """
        kind: RepoKind | None = DATASET
        name = text.removeprefix(HUB_SCHEME)
        if models and name == text:
            name = text.removeprefix(_MODEL_SCHEME)
            kind = None if name == text else MODEL
        match = _NAME.fullmatch(name)
        if match is None:
            raise ConfigError("not the name of a repository", got=text, wanted="owner/name[@revision]")
        return cls(match["name"], match["revision"], kind)

    @property
    def address(self) -> str:
        """What names the repository alone, whatever else has its name."""
        return f"{_MODEL_SCHEME if self.kind == MODEL else HUB_SCHEME}{self.name}"

    @property
    def commit(self) -> str | None:
        """The commit, where the revision is one: forty hexadecimal digits."""
        return self.revision if self.revision and _COMMIT.fullmatch(self.revision) else None

    def __str__(self) -> str:
        name = self.address if self.kind == MODEL else self.name
        if self.revision is None:
            return name
        return f"{name}@{self.revision if self.commit is None else self.commit[:12]}"


def is_reference(name: str) -> bool:
    """Return whether a branch or a tag may have this name."""
    return not _BAD_REFERENCE.search(name) and len(name.encode(errors="replace")) <= _LONGEST_REFERENCE


def require_reference(option: str, name: str) -> str:
    """Return the name of a branch or a tag; raises ConfigError for what git takes for neither."""
    if not is_reference(name):
        raise ConfigError(
            f"{option} is not a name that a branch or a tag may have",
            got=repr(name),
            wanted="letters, digits, `-`, `_`, `.` and `/`, such as v1.0",
        )
    return name
