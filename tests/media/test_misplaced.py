"""Something else in place of a video, an image or a mask is named for what it is, with the way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sparkle.media.decode import decode
from sparkle.media.images import read_png
from sparkle.media.mask import load_mask
from sparkle.media.probe import probe, read_shape
from sparkle.schemas.errors import MediaError

MISPLACED = {
    "a Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    "a page of HTML": b"\xef\xbb\xbf<!doctype html>\n<html><body>Sign in</body></html>",
    "a server's error message": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "the file is packed with gzip": b"\x1f\x8b\x08\x00" + bytes(600),
}


@pytest.mark.parametrize("read", [probe, decode, read_png, load_mask])
@pytest.mark.parametrize("what", MISPLACED)
def test_it_is_named_in_a_file_and_in_memory(
    tmp_path: Path, read: Callable[[Any], object], what: str
) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(MISPLACED[what])
    for source in (path, MISPLACED[what]) if read in (read_png, load_mask) else (path,):
        with pytest.raises(MediaError) as refused:
            read(source)
        assert refused.value.problem.startswith(what)
        assert refused.value.fix


@pytest.mark.parametrize("suffix", [".mp4", ".png", ".npz"])
@pytest.mark.parametrize("what", MISPLACED)
def test_it_is_named_where_headers_alone_are_read(suffix: str, what: str) -> None:
    with pytest.raises(MediaError) as refused:
        read_shape(MISPLACED[what], suffix)
    assert refused.value.problem.startswith(what)


def test_a_damaged_mask_is_not_taken_for_a_packed_file() -> None:
    with pytest.raises(MediaError) as refused:
        load_mask(b"PK\x03\x04" + bytes(100))
    assert "packed" not in refused.value.problem
