"""Repositories, files and commits as the Hub's JSON has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from sparkle.hub.staging.card_rules import card_metadata
from sparkle.hub.staging.repos import Commit, Repository, load_content, object_id
from sparkle.hub.staging.trees import Entry, files, find, lfs_pointer


def repository_json(
    connection: sqlite3.Connection,
    repository: Repository,
    commit: Commit,
    *,
    siblings: bool = False,
    blobs: bool = False,
    expand: Iterable[str] = (),
) -> dict[str, Any]:
    """A repository at a commit.

    Args:
        connection: Where it is.
        repository: Which.
        commit: At which state.
        siblings: Whether its files are listed.
        blobs: Whether each file comes with its size and hash.
        expand: Names of the only properties that are wanted; empty for the usual ones.
    """
    card = card_of(connection, commit)
    answer: dict[str, Any] = {
        "_id": object_id(repository),
        "id": repository.name,
        "author": repository.name.partition("/")[0],
        "sha": commit.id,
        "lastModified": commit.date,
        "createdAt": repository.created,
        "private": repository.private,
        "gated": repository.gated or False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": _tags(card),
        "cardData": card or None,
    }
    wanted = set(expand)
    if siblings or "siblings" in wanted:
        answer["siblings"] = [_sibling(path, entry, blobs) for path, entry in files(connection, commit.tree)]
    if "usedStorage" in wanted or blobs:
        sizes = {entry.sha256 or entry.oid: entry.size for _, entry in files(connection, commit.tree)}
        answer["usedStorage"] = sum(sizes.values())
    if repository.kind == "model":
        answer["modelId"] = repository.name
        answer["pipeline_tag"] = card.get("pipeline_tag")
    if repository.kind == "space":
        answer["sdk"] = repository.sdk
        hardware = {"current": None, "requested": None}
        answer["runtime"] = {"stage": "NO_APP_FILE", "hardware": hardware}
    if wanted:
        answer = {name: value for name, value in answer.items() if name in wanted | {"_id", "id"}}
    return {name: value for name, value in answer.items() if value is not None}


def card_of(connection: sqlite3.Connection, commit: Commit) -> dict[str, Any]:
    """The YAML of a commit's README.md; empty where there is none that can be read."""
    entry = find(connection, commit.tree, "README.md")
    if entry is None or entry.tree or entry.sha256:
        return {}
    return card_metadata(load_content(connection, entry.oid).decode("utf-8", "replace"))


def entry_json(path: str, entry: Entry, last: Commit | None = None) -> dict[str, Any]:
    """A file or a folder; `last` is the commit that touched it, where that was asked for."""
    answer: dict[str, Any] = {
        "type": "directory" if entry.tree else "file",
        "oid": entry.oid.hex(),
        "size": entry.size,
        "path": path,
    }
    if entry.sha256:
        answer["lfs"] = {
            "oid": entry.sha256.hex(),
            "size": entry.size,
            "pointerSize": len(lfs_pointer(entry.sha256, entry.size)),
        }
    if last is not None:
        answer["lastCommit"] = {"id": last.id, "title": last.title, "date": last.date}
    return answer


def commit_json(commit: Commit, *, formatted: bool = False) -> dict[str, Any]:
    """A commit in a list of commits."""
    answer: dict[str, Any] = {
        "id": commit.id,
        "title": commit.title,
        "message": commit.message,
        "authors": [{"user": commit.author}],
        "date": commit.date,
    }
    if formatted:
        answer["formatted"] = {"title": commit.title, "message": commit.message}
    return answer


def _sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    answer: dict[str, Any] = {"rfilename": path}
    if blobs:
        answer |= {"size": entry.size, "blobId": entry.oid.hex()}
        if entry.sha256:
            pointer = len(lfs_pointer(entry.sha256, entry.size))
            answer["lfs"] = {"sha256": entry.sha256.hex(), "size": entry.size, "pointerSize": pointer}
    return answer


def _tags(card: dict[str, Any]) -> list[str]:
    """The card's tags, and those that the Hub makes of its other fields."""
    found = [str(tag) for tag in _as_list(card.get("tags"))]
    for field, name in (("license", "license"), ("task_categories", "task_categories")):
        found += [f"{name}:{value}" for value in _as_list(card.get(field))]
    found += [str(value) for value in _as_list(card.get("language"))]
    return found


def _as_list(value: object) -> list[object]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
