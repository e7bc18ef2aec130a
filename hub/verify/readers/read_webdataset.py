"""Read tars with stock `webdataset`, and say what was read. Run in a process of its own; imports no sparkle.

In: {"tars": {name: [path, how many samples]}}. Out: {name: {member: sha256}}, where a member's name is put
together again of its key and its field.
"""

from __future__ import annotations

import hashlib
import json
import sys
from itertools import islice

import webdataset


def main() -> None:
    """Read what is asked for on standard input, print what was read."""
    answer = {name: read_tar(path, count) for name, (path, count) in json.load(sys.stdin)["tars"].items()}
    print(json.dumps(answer))


def read_tar(path: str, count: int) -> dict[str, str]:
    """The sha256 of every member of the first samples."""
    samples = webdataset.WebDataset(path, shardshuffle=False, empty_check=False)
    return {
        f"{sample['__key__']}.{field}": hashlib.sha256(value).hexdigest()
        for sample in islice(samples, count)
        for field, value in sample.items()
        if not field.startswith("__")
    }


if __name__ == "__main__":
    main()
