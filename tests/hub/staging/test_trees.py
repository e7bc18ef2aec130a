"""Trees behave as a dictionary of paths, and their ids are git's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal
from sparkle.hub.staging.store.trees import TreeEditor, files, find, git_id, walk

NAMES = st.sampled_from(["a", "a.b", "a-", "b", "B", "ä", "z"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
ACTIONS = st.lists(
    st.tuples(st.sampled_from(["put", "file", "folder", "write"]), PATHS, st.binary(max_size=3))
)


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    opened = Database(tmp_path_factory.mktemp("trees") / "hub.db")
    yield opened
    opened.close()


def apply(model: dict[str, bytes], action: str, path: str, content: bytes) -> bool:
    """Do an action to a dictionary; False where it makes no sense."""
    below = [other for other in model if other.startswith(f"{path}/")]
    parents = ["/".join(path.split("/")[:n]) for n in range(1, path.count("/") + 1)]
    if action == "put":
        if below or any(parent in model for parent in parents):
            return False
        model[path] = content
    elif action in ("file", "folder"):
        gone = below or ([path] if path in model and action == "file" else [])
        for other in gone:
            del model[other]
        return bool(gone)
    return True


@given(actions=ACTIONS)
def test_an_edited_tree_is_the_dictionary_that_it_stands_for(database, actions):
    model: dict[str, bytes] = {}
    with database.write() as connection:
        editor = TreeEditor(connection, None)
        for action, path, content in actions:
            if action == "write":
                editor = TreeEditor(connection, editor.write().tree)
                continue
            try:
                if action == "put":
                    editor.put(path, git_id("blob", content), len(content))
                else:
                    editor.remove(path, folder=action == "folder")
                done = True
            except Refusal:
                done = False
            assert done == apply(model, action, path, content)
        root = editor.write().tree
        found = dict(files(connection, root))
        assert {path: entry.oid for path, entry in found.items()} == {
            path: git_id("blob", content) for path, content in model.items()
        }
        everything = list(walk(connection, root))
        parents = {str(parent) for path in model for parent in Path(path).parents} - {"."}
        assert {path for path, entry in everything if entry.tree} == parents
        assert [path.split("/") for path, _ in everything] == sorted(
            path.split("/") for path, _ in everything
        )
        for path, entry in everything:
            assert find(connection, root, path) == entry
            after = tuple(path.split("/"))
            assert (
                list(walk(connection, root, after=after)) == everything[everything.index((path, entry)) + 1 :]
            )


def test_ids_are_those_that_git_gives(database, tmp_path):
    wanted = {"a.b": b"1", "a/b": b"2", "a-b": b"3", "z/y/x": b"4", "A": b""}
    for path, content in wanted.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        Path(tmp_path / path).write_bytes(content)
    git = ["git", "-C", str(tmp_path), "-c", "core.autocrlf=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "."], check=True)
    tree = subprocess.run([*git, "write-tree"], check=True, capture_output=True, text=True).stdout.strip()
    with database.write() as connection:
        editor = TreeEditor(connection, None)
        for path, content in wanted.items():
            editor.put(path, git_id("blob", content), len(content))
        assert editor.write().oid.hex() == tree


def test_a_large_file_and_its_pointer_as_text_are_two_things(database):
    oid = git_id("blob", b"pointer")
    with database.write() as connection:
        keys = []
        for sha256 in (None, bytes(32)):
            editor = TreeEditor(connection, None)
            editor.put("x", oid, 7, sha256)
            keys.append(editor.write().tree)
        assert keys[0] != keys[1]
        assert find(connection, keys[0], "x").sha256 is None
        assert find(connection, keys[1], "x").sha256 == bytes(32)
