"""The name of a dataset repository, as people and `datasets` write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sparkle.schemas.errors import ConfigError

HUB_SCHEME = "hf://datasets/"  # how `datasets` and fsspec write a repository
_NAME = re.compile(r"(?P<name>[\w.-]+/[\w.-]+)(@(?P<revision>[^@\s]+))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


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
