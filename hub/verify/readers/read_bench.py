"""Read a bench with stock `datasets`, and say what was read. Run in its own process; imports no sparkle.

In: {"where", "revision"?, "themes": [theme]}. Out: for each theme its rows as a config of its own, and how
many rows it has as a split of the default one.
"""

from __future__ import annotations

import json
import sys

from datasets import load_dataset


def main() -> None:
    """Read what is asked for on standard input, print what was read."""
    task = json.load(sys.stdin)
    place = {"path": task["where"], "revision": task.get("revision")}
    rows = {theme: load_dataset(**place, name=theme, split="test").to_list() for theme in task["themes"]}
    splits = load_dataset(**place)
    print(json.dumps({"rows": rows, "default": {name: found.num_rows for name, found in splits.items()}}))


if __name__ == "__main__":
    main()
