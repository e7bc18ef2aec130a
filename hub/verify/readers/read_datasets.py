"""Read a release with stock `datasets`, and say what was read. Run in its own process; imports no sparkle.

In: {"where", "revision"?, "ids": {theme: [id]}, "columns": [name], "records": bool}. Out: for each theme what
the map-style rows, the first streamed row, a choice of columns and a filter gave, and how many rows each
config has.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

from datasets import load_dataset


def main() -> None:
    """Read what is asked for on standard input, print what was read."""
    task = json.load(sys.stdin)
    place = {"path": task["where"], "revision": task.get("revision")}
    themes = {theme: read_theme(place, theme, ids, task["columns"]) for theme, ids in task["ids"].items()}
    splits = load_dataset(**place)
    answer = {"themes": themes, "default": {name: rows.num_rows for name, rows in splits.items()}}
    if task["records"]:
        found = load_dataset(**place, name="records")
        answer["records"] = {name: rows.num_rows for name, rows in found.items()}
    print(json.dumps(answer))


def read_theme(place: dict[str, Any], theme: str, ids: list[str], columns: list[str]) -> dict[str, Any]:
    """Read a config in the ways in which it is read."""
    rows = load_dataset(**place, name=theme, split="train")
    position = {task: index for index, task in enumerate(rows["task"])}
    streamed = next(iter(load_dataset(**place, name=theme, split="train", streaming=True)))
    few = load_dataset(**place, name=theme, split="train", columns=["prompt", "task"])
    some = load_dataset(**place, name=theme, split="train", filters=[("task", "in", ids)])
    return {
        "count": rows.num_rows,
        "columns": rows.column_names[:4],
        "rows": {sample: plain(rows[position[sample]], columns) for sample in ids if sample in position},
        "streamed": plain(streamed, columns),
        "first": rows[0]["task"],
        "few": few.column_names,
        "filtered": sorted(some["task"]),
    }


def plain(row: dict[str, Any], columns: list[str]) -> dict[str, Any]:
    """The columns of a row as JSON values; the preview by its hash."""
    found = {name: value.hex() if isinstance(value := row[name], bytes) else value for name in columns}
    preview = row["preview"]
    found["preview"] = None if preview is None else hashlib.sha256(preview["bytes"]).hexdigest()
    return found


if __name__ == "__main__":
    main()
