import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparkle._files import (
    append_lines,
    atomic_path,
    exclusive,
    read_jsonl,
    recover_jsonl,
    remove_leftovers,
    safe_join,
    write_atomic,
)
from sparkle.schemas.canonical import canonical_json, dump_line, sha256_bytes, sha256_file
from sparkle.schemas.errors import RecordError, SparkleError, UnsafePathError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=8,
)
records = st.dictionaries(st.text(), values, max_size=4)


@given(st.lists(records, min_size=1, max_size=6), st.data())
def test_a_torn_tail_loses_only_the_line_that_was_being_written(tmp_path_factory, lines, data):
    path = tmp_path_factory.mktemp("torn") / "lines.jsonl"
    append_lines(path, lines)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    recover_jsonl(path)
    survivors = whole[:cut].count(b"\n")
    assert [value for _, value in read_jsonl(path)] == lines[:survivors]
    append_lines(path, lines[survivors:])
    assert path.read_bytes() == whole


@given(records)
def test_a_line_is_read_back_as_it_was_written(tmp_path_factory, record):
    path = tmp_path_factory.mktemp("line") / "lines.jsonl"
    path.write_bytes(dump_line(record))
    assert [value for _, value in read_jsonl(path)] == [record]


@given(records)
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(record):
    turned = dict(reversed(record.items()))
    assert canonical_json(turned) == canonical_json(record)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\n", "blank"),
        (b"{\n", "not JSON"),
        (b'{"a": 1, "a": 2}\n', "twice"),
        (b'{"a": {"b": 1, "b": 1}}\n', "twice"),
        (b'{"a": NaN}\n', "finite"),
        (b'{"a": -Infinity}\n', "finite"),
        (b'{"a": 1e999}\n', "finite"),
        (b'{"a": "\xff"}\n', "UTF-8"),
        (b"[" * 100_000 + b"\n", "deep"),
        (b'{"a": "' + b"x" * (9 << 20) + b'"}\n', "too long"),
    ],
)
def test_a_bad_line_is_named_and_never_skipped(tmp_path, line, problem):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"good": 1}\n' + line + b'{"good": 2}\n')
    with pytest.raises(RecordError, match=problem) as caught:
        list(read_jsonl(path))
    assert caught.value.where == f"{path}:2"


def test_an_atomic_write_that_fails_leaves_what_was_there(tmp_path):
    target = tmp_path / "file.txt"
    write_atomic(target, b"before")

    def fail_half_way() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"after")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert target.read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


def _killed_while_writing(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_kill_inside_a_write_leaves_the_old_file_and_a_leftover_that_is_cleared(tmp_path):
    target = tmp_path / "file.txt"
    write_atomic(target, b"before")
    writer = multiprocessing.get_context("fork").Process(target=_killed_while_writing, args=(target,))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    assert target.read_bytes() == b"before"
    assert remove_leftovers(tmp_path) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../../up", "a//b", "./a", "a\\b", "", "a/\0"])
def test_a_path_that_leaves_its_folder_is_refused(tmp_path, path):
    with pytest.raises(UnsafePathError):
        safe_join(tmp_path, path)


def test_a_link_that_leaves_its_folder_is_refused(tmp_path):
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafePathError, match="link"):
        safe_join(inside, "link/file")
    assert safe_join(inside, "a/b.mp4") == inside / "a" / "b.mp4"


def test_a_file_and_its_bytes_have_one_hash(tmp_path):
    data = os.urandom(3 << 20)
    (tmp_path / "file").write_bytes(data)
    assert sha256_file(tmp_path / "file") == sha256_bytes(data)


# Forks a child, which waits for the end of standard input, and is killed.
HOLD = """
import os, sys
from pathlib import Path
from sparkle._files import exclusive
with exclusive(Path(sys.argv[1]), None):
    if not os.fork():
        print("child", flush=True)
        sys.stdin.read()
        os._exit(0)
    os.kill(os.getpid(), 9)
"""


def test_a_lock_is_gone_with_its_holder_though_a_forked_child_lives_on(tmp_path):
    lock = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.wait() == -signal.SIGKILL
        assert holder.stdout.readline() == "child\n"
        with exclusive(lock, SparkleError("held")):  # while the child waits for its standard input
            holder.stdin.close()
