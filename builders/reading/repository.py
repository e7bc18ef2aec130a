"""The names of a dataset repository and of its branches and tags, as people and `datasets` write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparkle.schemas.errors import ConfigError

HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
# `git help check-ref-format`.
_BAD_REFERENCE = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock(/|$)|^@$|^$")
_LONGEST_REFERENCE = 255  # bytes: what file systems take


@dataclass(frozen=True)
class Repository:
    """What names a dataset repository.

    Attributes:
        name: `owner/name`.
        revision: A branch, tag or commit; None is the main branch.
    """

    name: str
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> Repository:
        """Read `owner/name` or `owner/name@revision`, also after `hf://datasets/`; raises ConfigError."""
        match = _NAME.fullmatch(text.removeprefix(HUB_SCHEME))
        if match is None:
            raise ConfigError("not the name of a repository", got=text, wanted="owner/name[@revision]")
        return cls(match["name"], match["revision"])

    @property
    def commit(self) -> str | None:
        """The commit, where the revision is one: forty hexadecimal digits."""
        return self.revision if self.revision and _COMMIT.fullmatch(self.revision) else None

    def __str__(self) -> str:
        if self.revision is None:
            return self.name
        return f"{self.name}@{self.revision if self.commit is None else self.commit[:12]}"


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
