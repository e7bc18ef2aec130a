"""Folders as content-addressed objects: a commit writes the folders that it touched, and shares the rest.

How it works
- A tree is the sorted list of a folder's entries. Its key is the sha256 of its encoding, so equal folders are
  one object, whatever repository or commit they are in.
- Ids that clients see are git's: sha1 of a blob, of an LFS pointer, of a tree. They cannot be the keys: a
  small file with the text of an LFS pointer has the same git id as the large file that it points to.
- `TreeEditor` loads the folders on the way to what it changes and writes them from the leaves up; git has no
  empty folders, so one goes with its last file.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from sparkle.hub.staging.store.refusal import Refusal, bad_request

_CACHED_TREES = 128


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """A file or folder in a tree.

    Attributes:
        name: Its name in the folder.
        oid: git's id, 20 bytes: of the blob, of the LFS pointer, or of the tree.
        size: Bytes of the file; 0 for a folder.
        sha256: Of the content of a large file; None for small files and folders.
        tree: Key of a folder's tree; None for files.
    """

    name: str
    oid: bytes
    size: int
    sha256: bytes | None = None
    tree: bytes | None = None


Tree = Mapping[str, Entry]
_decoder = msgspec.msgpack.Decoder(list[Entry])
_cache: OrderedDict[bytes, Tree] = OrderedDict()  # by content: right for every database
_cache_turn = threading.Lock()


def git_id(kind: str, data: bytes) -> bytes:
    """Return the id of an object in git: sha1 over its kind, size and bytes."""
    return hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data, usedforsecurity=False).digest()


def lfs_pointer(sha256: bytes, size: int) -> bytes:
    """Return the text that git has for a large file (the LFS pointer format, version 1)."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
        sha256.hex().encode(),
        size,
    )


def load_tree(connection: sqlite3.Connection, key: bytes) -> Tree:
    """Return the entries of a folder by name, in the order of their names."""
    with _cache_turn:
        if key in _cache:
            _cache.move_to_end(key)
            return _cache[key]
    row = connection.execute("SELECT data FROM trees WHERE key=?", (key,)).fetchone()
    tree = {entry.name: entry for entry in _decoder.decode(row["data"])}
    with _cache_turn:
        _cache[key] = tree
        if len(_cache) > _CACHED_TREES:
            _cache.popitem(last=False)
    return tree


def save_tree(connection: sqlite3.Connection, entries: list[Entry]) -> Entry:
    """Store a folder; returns its entry, without a name."""
    entries = sorted(entries, key=lambda entry: entry.name)
    data = msgspec.msgpack.encode(entries)
    key = hashlib.sha256(data).digest()
    connection.execute("INSERT OR IGNORE INTO trees VALUES(?,?)", (key, data))
    # git sorts folders as though their names ended in a slash.
    lines = sorted((entry.name.encode() + (b"/" if entry.tree else b""), entry) for entry in entries)
    raw = b"".join(
        b"%s %s\0%s" % (b"40000" if entry.tree else b"100644", entry.name.encode(), entry.oid)
        for _, entry in lines
    )
    return Entry("", git_id("tree", raw), 0, tree=key)


def find(connection: sqlite3.Connection, root: bytes, path: str) -> Entry | None:
    """Return the entry of a path below a root; the root itself for the empty path."""
    entry = Entry("", b"", 0, tree=root)
    for name in path.split("/") if path else ():
        found = load_tree(connection, entry.tree).get(name) if entry.tree else None
        if found is None:
            return None
        entry = found
    return entry


def walk(
    connection: sqlite3.Connection,
    root: bytes,
    prefix: str = "",
    *,
    recursive: bool = True,
    after: tuple[str, ...] = (),
) -> Iterator[tuple[str, Entry]]:
    """Yield (path, entry) below a folder, a folder before what is in it, in the order of names.

    Args:
        connection: Where trees are.
        root: Key of the folder's tree.
        prefix: The folder's path.
        recursive: Whether what is in folders comes too.
        after: Parts of a path, counted from the folder: only what comes behind it.
    """
    for name, entry in load_tree(connection, root).items():
        if after and name < after[0]:
            continue
        path = f"{prefix}/{name}" if prefix else name
        inside = after[1:] if after and name == after[0] else ()
        if not (after and name == after[0]):
            yield path, entry
        if recursive and entry.tree:
            yield from walk(connection, entry.tree, path, after=inside)


def files(connection: sqlite3.Connection, root: bytes) -> Iterator[tuple[str, Entry]]:
    """Yield (path, entry) of every file below a root."""
    return ((path, entry) for path, entry in walk(connection, root) if entry.tree is None)


def changes(
    connection: sqlite3.Connection, before: bytes | None, after: bytes | None, prefix: str = ""
) -> Iterator[tuple[str, Entry | None, Entry | None]]:
    """Yield (path, entry before, entry after) of every file that differs between two folders, by name.

    A folder that is the same in both is not looked into; None is an empty one.
    """
    old, new = ({} if key is None else load_tree(connection, key) for key in (before, after))
    for name in sorted({*old, *new}):
        there, here = old.get(name), new.get(name)
        if there == here:
            continue
        path = f"{prefix}/{name}" if prefix else name
        was_folder, is_folder = (None if entry is None else entry.tree for entry in (there, here))
        yield from changes(connection, was_folder, is_folder, path)
        was, is_now = (None if entry is None or entry.tree else entry for entry in (there, here))
        if was is not None or is_now is not None:
            yield path, was, is_now


@dataclass
class Reached:
    """What folders lead to: keys of trees, git's ids of small contents, sha256 of large ones."""

    trees: set[bytes] = field(default_factory=set)
    contents: set[bytes] = field(default_factory=set)
    blobs: set[bytes] = field(default_factory=set)

    def add(self, connection: sqlite3.Connection, key: bytes) -> None:
        """Add a folder with all that is below it."""
        if key in self.trees:
            return
        self.trees.add(key)
        for entry in load_tree(connection, key).values():
            if entry.tree:
                self.add(connection, entry.tree)
            elif entry.sha256:
                self.blobs.add(entry.sha256)
            else:
                self.contents.add(entry.oid)


class _Folder:
    """A folder that is open for changes."""

    def __init__(self, entries: Tree) -> None:
        self.entries: dict[str, Entry | _Folder] = dict(entries)


class TreeEditor:
    """The files of a commit, to be changed.

    Args:
        connection: Where trees are read and written.
        root: Key of the root's tree; None starts empty.
    """

    def __init__(self, connection: sqlite3.Connection, root: bytes | None) -> None:
        self._connection = connection
        self._root = _Folder({} if root is None else load_tree(connection, root))

    def put(self, path: str, oid: bytes, size: int, sha256: bytes | None = None) -> None:
        """Add a file or replace one; raises Refusal where a folder or a file is in the way."""
        *parents, name = path.split("/")
        folder = self._open(parents, create=True)
        if folder is None:
            raise bad_request(f"{path}: a folder on the way is a file")
        there = folder.entries.get(name)
        if isinstance(there, _Folder) or (there is not None and there.tree):
            raise bad_request(f"{path} is a folder")
        folder.entries[name] = Entry(name, oid, size, sha256)

    def remove(self, path: str, *, folder: bool) -> None:
        """Remove a file or a folder with all that is in it, or only a `folder`; raises Refusal."""
        *parents, name = path.split("/")
        parent = self._open(parents, create=False)
        there = None if parent is None else parent.entries.get(name)
        is_folder = isinstance(there, _Folder) or (there is not None and there.tree is not None)
        if parent is None or there is None or (folder and not is_folder):
            what = "folder" if folder else "file"
            raise Refusal(404, "EntryNotFound", f"A {what} with this name doesn't exist: {path}")
        del parent.entries[name]
        if parents and not parent.entries:
            self.remove("/".join(parents), folder=True)

    def write(self) -> Entry:
        """Store what was changed; returns the root's entry."""
        return self._write(self._root)

    def _open(self, names: list[str], *, create: bool) -> _Folder | None:
        """Return the folder of a path; None when it is not there, or is a file."""
        folder = self._root
        for name in names:
            there = folder.entries.get(name)
            if there is None and create:
                there = folder.entries[name] = _Folder({})
            elif isinstance(there, Entry) and there.tree:
                there = folder.entries[name] = _Folder(load_tree(self._connection, there.tree))
            if not isinstance(there, _Folder):
                return None
            folder = there
        return folder

    def _write(self, folder: _Folder) -> Entry:
        entries = [
            there if isinstance(there, Entry) else msgspec.structs.replace(self._write(there), name=name)
            for name, there in folder.entries.items()
        ]
        return save_tree(self._connection, entries)
