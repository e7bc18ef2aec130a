"""The prompt files: plain text with `$slots`, versioned with the package.

A file's hash is part of the fingerprint of the step that asks with it: when its words change, the step is
done again.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from string import Template

from sparkle.schemas.canonical import sha256_bytes


def fill_prompt(name: str, **slots: object) -> str:
    """The text of a prompt file with its slots filled, without the newline at its end.

    Args:
        name: The file's name without `.txt`, such as `ground1`.
        slots: A value for each `$slot` of the file.
    """
    return Template(_read(name).decode("utf-8")).substitute(slots).strip()


def prompt_hashes(*names: str) -> dict[str, str]:
    """sha256 of prompt files by name, for a fingerprint."""
    return {name: sha256_bytes(_read(name)) for name in names}


@cache
def _read(name: str) -> bytes:
    return resources.files("sparkle.generation.vlm").joinpath("prompts", f"{name}.txt").read_bytes()
