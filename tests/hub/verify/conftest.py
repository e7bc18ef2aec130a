"""A small release in which nothing is wrong, and ways to spoil a copy of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import factories
from harness.agree import agree
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions

# Small enough that videos of a theme need several tars of some members each.
OPTIONS = ReleaseOptions(max_shard_size=10_000, preview=2)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five samples of location and three of openve3m."""
    folder = tmp_path_factory.mktemp("verify")
    samples = [*factories.specs("location", 5), *factories.specs("openve3m", 3)]
    run = factories.write_run(folder / "run", samples)
    return build_release([run], folder / "release", OPTIONS).out


@pytest.fixture
def release(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(whole, tmp_path / "release"))


@pytest.fixture(scope="session")
def rehash() -> Callable[[Path], None]:
    """Write pages and manifest of whatever is in a folder now, as whoever spoilt it could."""

    return agree


@pytest.fixture(scope="session")
def flip() -> Callable[[Path, int], None]:
    """Flip one bit of a byte of a file."""

    def write(path: Path, at: int) -> None:
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return write


@pytest.fixture(scope="session")
def change_cell() -> Callable[[Path, int, str, object], None]:
    """Change a cell of a Parquet file: path, row, column, value."""

    def write(path: Path, row: int, column: str, value: object) -> None:
        table = pq.ParquetFile(path).read()
        values = table[column].to_pylist()
        values[row] = value
        index = table.column_names.index(column)
        field = table.schema.field(column)
        pq.write_table(table.set_column(index, field, pa.array(values, field.type)), path)

    return write
