"""Read artifacts with our own reader, and say what was read. Run in a process of its own.

In: {"where", "ids", "kinds", "cache"}. Out: {id: {kind: sha256}}.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from sparkle.builders.reading.pairs import open_pairs
from sparkle.builders.reading.source import open_source
from sparkle.schemas.layout import KIND_BY_NAME


def main() -> None:
    """Read what is asked for on standard input, print what was read."""
    task = json.load(sys.stdin)
    kinds = [KIND_BY_NAME[name] for name in task["kinds"]]
    pairs = open_pairs(task["where"], kinds=kinds, ids=task["ids"])
    source = open_source(task["where"], cache=Path(task["cache"]), verify=False)
    answer = {
        sample_id: {
            kind.name: hashlib.sha256(source.read(pairs.artifact(row, kind))).hexdigest() for kind in kinds
        }
        for row, sample_id in enumerate(pairs.ids)
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
