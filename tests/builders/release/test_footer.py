"""What a Parquet file says of itself is what Arrow reads there, and nothing hostile is believed."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sparkle.builders.release.footer import parse_footer, read_footer, read_pages
from sparkle.builders.release.read_tables import TableFile
from sparkle.schemas.errors import ReleaseError


def test_it_says_what_arrow_reads(shared_release: Path) -> None:
    paths = [*shared_release.glob("data/*/*.parquet"), *shared_release.glob("records/*.parquet")]
    assert len(paths) == 6
    for path in paths:
        with path.open("rb") as file:
            groups, said = read_footer(file), pq.read_metadata(path)
            assert [group.rows for group in groups] == [
                said.row_group(index).num_rows for index in range(said.num_row_groups)
            ]
            for index, group in enumerate(groups):
                for number, chunk in enumerate(group.chunks):
                    known = said.row_group(index).column(number)
                    first = [
                        known.data_page_offset,
                        *[known.dictionary_page_offset] * known.has_dictionary_page,
                    ]
                    assert chunk.path == known.path_in_schema
                    assert (chunk.values, chunk.size) == (known.num_values, known.total_uncompressed_size)
                    assert (chunk.start, chunk.end) == (min(first), min(first) + known.total_compressed_size)
                    assert chunk.nulls == known.statistics.null_count
                    pages = list(read_pages(file, chunk))
                    assert sum(page.values for page in pages) >= chunk.values
                    assert 0 < sum(page.size for page in pages) <= chunk.size


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_come_back_by_every_encoding(encoding: str) -> None:
    table = pa.table(
        {"text": ["a", None, "", "é" * 3000, "a"], "list": [["b", None], [], None, ["b"], ["c"]]}
    )
    out = io.BytesIO()
    pq.write_table(table, out, use_dictionary=["list.list.element"], column_encoding={"text": encoding})
    assert TableFile(out).read().equals(table)


def test_texts_that_stand_for_each_other_are_not_read() -> None:
    """DELTA_BYTE_ARRAY repeats the start of the text before: Arrow cannot read it as a dictionary."""
    out = io.BytesIO()
    table = pa.table({"text": ["a" * 100, "a" * 101]})
    pq.write_table(table, out, use_dictionary=False, column_encoding={"text": "DELTA_BYTE_ARRAY"})
    with pytest.raises(ReleaseError, match="cannot be read"):
        TableFile(out).read()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x1c" * 1000,  # structs inside each other
        b"\x19" * 1000,  # lists inside each other
        b"\x49\xfc\xff\xff\xff\xff\x0f",  # four thousand million structs
        b"\x48\xff\xff\xff\xff\x0f",  # as many bytes
        b"\x46" + b"\xff" * 100,  # a number without an end
    ],
)
def test_what_is_no_footer_is_an_error(data: bytes) -> None:
    with pytest.raises(OSError, match="cannot be read"):
        parse_footer(data)
