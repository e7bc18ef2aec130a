"""What repositories, references and files may be called, and how they are compared.

Everything that comes from a client passes here before it is used. Names of repositories differ by more than
their letters' case; files are paths below the root of a repository and never leave it.
"""

from __future__ import annotations

import re

from sparkle.hub.staging.refusal import Refusal, bad_request, unprocessable

# Kind of repository as it stands in API paths -> as it stands in JSON.
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
# Kind of repository -> what its paths outside the API begin with.
PREFIXES = {"model": "", "dataset": "datasets/", "space": "spaces/"}
MAIN = "refs/heads/main"

# https://huggingface.co/docs/hub/repositories-naming: letters, digits, `-`, `_` and `.`, 96 characters.
_PART = re.compile(r"[A-Za-z0-9_.-]{1,96}")
# `git help check-ref-format`, and no commit id: a branch of that name would hide the commit.
_BAD_REFERENCE = re.compile(
    r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[/.-]|/\.|[/.]$|\.lock(/|$)|^@$|^[0-9a-f]{40}$"
)
_DIGITS = re.compile(r"[0-9]{1,18}")
_MAX_PATH, _MAX_PART = 1024, 255  # bytes: what file systems take, so that every repository can be downloaded


def number(text: str) -> int | None:
    """A whole number of at most 18 digits; None for anything else."""
    return int(text) if _DIGITS.fullmatch(text) else None


def kind_of(plural: str) -> str:
    """`datasets` -> `dataset`; raises Refusal for what is no kind of repository."""
    if plural not in KINDS:
        raise Refusal(404, "NotFound", f"no such kind of repository: {plural}")
    return KINDS[plural]


def check_kind(kind: object) -> str:
    """The kind in a JSON body; the Hub's default is a model."""
    if kind is None:
        return "model"
    if not isinstance(kind, str) or kind not in PREFIXES:
        raise bad_request(f"type: got {kind!r}, wanted one of {', '.join(PREFIXES)}")
    return kind


def check_repository(name: object) -> str:
    """A repository's `owner/name`; raises Refusal."""
    parts = name.split("/") if isinstance(name, str) else []
    good = len(parts) == 2 and all(_PART.fullmatch(part) for part in parts)
    if not good or any(
        ".." in part or "--" in part or part[0] in "-." or part[-1] in "-." or part.endswith(".git")
        for part in parts
    ):
        raise bad_request(f"not a name for a repository: {name!r}; wanted owner/name")
    return "/".join(parts)


def check_reference(name: object, folder: str) -> str:
    """The full reference of a branch (`refs/heads/`) or tag (`refs/tags/`) to be; raises Refusal."""
    if not isinstance(name, str) or not name or _BAD_REFERENCE.search(name) or len(name) > _MAX_PART:
        raise bad_request(f"Invalid reference name: {name!r}")
    if name.startswith("refs/"):
        if not name.startswith(folder):
            raise bad_request(f"Invalid reference name: {name!r}")
        return name
    return folder + name


def check_path(path: object) -> str:
    """A file's path in a repository, without a trailing slash; raises Refusal.

    `..`, `.git`, empty parts, backslashes (which a client on Windows would follow) and control characters are
    refused with 422.
    """
    if not isinstance(path, str):
        raise unprocessable(f"Invalid path: {path!r}")
    parts = path.removesuffix("/").split("/")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        raise unprocessable(f"Invalid path: {path!r}") from None
    bad = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if bad or "\\" in path or re.search(r"[\x00-\x1f\x7f]", path):
        raise unprocessable(f"Invalid path: {path!r}")
    if max(sizes) > _MAX_PART or sum(sizes) + len(parts) - 1 > _MAX_PATH:
        raise unprocessable(f"Invalid path: longer than {_MAX_PART} bytes a part or {_MAX_PATH} in all")
    return "/".join(parts)
