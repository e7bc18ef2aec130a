"""Which way a file is uploaded: with the commit, or before it as a large file; and which are ignored.

As on the Hub: `.gitattributes` says which names are large files; what is binary or 10 MiB and more is one
whatever it says. A new repository begins with the `.gitattributes` that the Hub gives it.
"""

from __future__ import annotations

import base64
import binascii

from pathspec import GitIgnoreSpec

MAX_REGULAR = 10 * 1024 * 1024  # bytes from which the Hub refuses a file inside a commit
GITATTRIBUTES_PATH = ".gitattributes"

# Suffixes in the .gitattributes that a new dataset on the Hub has.
_LARGE = """
7z arrow avro bin bz2 ckpt ftz gz h5 joblib lz4 mds mlmodel model msgpack npy npz onnx ot parquet pb pickle
pkl pt pth rar safetensors tar tflite tgz wasm xz zip zst
pcm sam raw aac flac mp3 ogg wav bmp gif png tiff jpg jpeg webp mp4 webm
"""
_LARGE_PATTERNS = [*(f"*.{suffix}" for suffix in _LARGE.split()), "*.tar.*", "saved_model/**/*", "*tfevents*"]
GITATTRIBUTES = "".join(f"{name} filter=lfs diff=lfs merge=lfs -text\n" for name in _LARGE_PATTERNS).encode()


class UploadRules:
    """What `.gitattributes` and `.gitignore` of a repository say.

    Args:
        attributes: Text of `.gitattributes`; empty where there is none.
        ignore: Text of `.gitignore`; empty where there is none.
    """

    def __init__(self, attributes: str, ignore: str) -> None:
        self._ignored = GitIgnoreSpec.from_lines(ignore.splitlines())
        # As in .gitignore, the last line that fits decides; `!` takes a name out again.
        self._large = GitIgnoreSpec.from_lines(list(_filters(attributes)))

    def is_large(self, path: str, size: int, sample: str) -> bool:
        """Return whether a file is uploaded before the commit.

        Args:
            path: Its path in the repository.
            size: Its bytes.
            sample: Its first bytes in base64, as the client sends them.
        """
        if size == 0:
            return False
        if size >= MAX_REGULAR or self._large.match_file(path):
            return True
        try:
            return b"\0" in base64.b64decode(sample)
        except binascii.Error:
            return True

    def is_ignored(self, path: str) -> bool:
        """Return whether a file is left out of commits."""
        return bool(self._ignored.match_file(path))


def _filters(attributes: str) -> list[str]:
    """Return the patterns of `.gitattributes` that say whether a name is a large file."""
    patterns = []
    for line in attributes.splitlines():
        pattern, *words = line.split() or ("#",)
        if pattern.startswith(("#", "!")):
            continue
        for word in words:
            if word == "filter=lfs":
                patterns.append(pattern)
            elif word in ("-filter", "!filter"):
                patterns.append(f"!{pattern}")
    return patterns
