"""What `random_access.py` runs where Lance is installed: pairs out of a Lance dataset, as bytes or decoded.

    python peer_lance.py FOLDER NAME=INDEX... < QUESTIONS

- An index is JSON lines: id, and file, offset and size of each video of a pair. From each, two data sets of
  the same content are written to the folder before anything is asked: with blob columns, which Lance
  recommends for videos, and with plain binary columns.
- A question is a line of JSON: the name of an index, the way of reading, how many rows are asked for at once,
  whether they are decoded, and the rows in their order. The answer is a line: seconds, seconds of processors,
  and bytes.
- Ways: `read_blobs` (its planned reader), `take_blobs` (a file for each blob) and `take` (of plain columns).
- Decoding is PyAV's, to RGB, one thread.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import lance
import numpy as np
import pyarrow as pa

COLUMNS = ("source", "edited")
WRITTEN_AT_ONCE = 32


def write(index: Path, folder: Path) -> dict[str, Any]:
    """The data sets of an index, by what kind of columns they have."""
    rows = [json.loads(line) for line in index.read_text().splitlines()]
    kinds = {
        "blob": pa.schema([pa.field("id", pa.string()), *map(lance.blob_field, COLUMNS)]),
        "plain": pa.schema([("id", pa.string()), *((name, pa.large_binary()) for name in COLUMNS)]),
    }

    def batches(kind: str) -> Iterator[pa.RecordBatch]:
        for start in range(0, len(rows), WRITTEN_AT_ONCE):
            some = rows[start : start + WRITTEN_AT_ONCE]
            arrays = [pa.array([row["id"] for row in some])]
            for column in COLUMNS:
                data = [read_range(*row[column]) for row in some]
                arrays.append(lance.blob_array(data) if kind == "blob" else pa.array(data, pa.large_binary()))
            yield pa.RecordBatch.from_arrays(arrays, schema=kinds[kind])

    found = {}
    for kind, schema in kinds.items():
        place = str(folder / f"{index.stem}-{kind}")
        found[kind] = lance.write_dataset(batches(kind), place, schema=schema, data_storage_version="2.2")
    return found


def read_range(file: str, offset: int, size: int) -> bytes:
    """A video out of a tar."""
    with Path(file).open("rb") as tar:
        tar.seek(offset)
        return tar.read(size)


def read_blobs(data: dict[str, Any], rows: list[int]) -> Iterator[bytes]:
    """Videos by the planned reader."""
    for column in COLUMNS:
        for _, content in data["blob"].read_blobs(column, indices=rows, preserve_order=True):
            yield content


def take_blobs(data: dict[str, Any], rows: list[int]) -> Iterator[bytes]:
    """Videos, each as a file."""
    for column in COLUMNS:
        for file in data["blob"].take_blobs(column, indices=rows):
            yield file.read()


def take(data: dict[str, Any], rows: list[int]) -> Iterator[bytes]:
    """Videos out of plain columns."""
    table = data["plain"].take(rows, columns=list(COLUMNS))
    for column in COLUMNS:
        for value in table[column]:
            yield value.as_py()


def decoded(content: bytes) -> np.ndarray:
    """uint8 (T, H, W, 3) RGB."""
    with av.open(io.BytesIO(content)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def main() -> None:
    """Answer."""
    folder = Path(sys.argv[1])
    indexes = dict(word.split("=", 1) for word in sys.argv[2:])
    data = {name: write(Path(index), folder) for name, index in indexes.items()}
    ways = {"read_blobs": read_blobs, "take_blobs": take_blobs, "take": take}
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        read, rows, size = ways[asked["way"]], asked["rows"], asked["at_once"]
        start, before, total = time.perf_counter(), time.process_time(), 0
        for first in range(0, len(rows), size):
            for content in read(data[asked["of"]], rows[first : first + size]):
                total += decoded(content).nbytes if asked["decode"] else len(content)
        print(time.perf_counter() - start, time.process_time() - before, total, flush=True)


if __name__ == "__main__":
    main()
