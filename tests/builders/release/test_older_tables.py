"""Tables that an earlier version wrote, without the hashes of scenes, are read as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from msgspec import structs

import sparkle
from sparkle._files import read_records, write_jsonl
from sparkle.builders.building.from_runs import build_release
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.release.manifest import describe_file, dump_manifest, read_manifest
from sparkle.builders.release.tables import ENCODING, LATER_COLUMNS, pairs_schema_for_datasets, table_writer
from sparkle.hub.takedown.folder import take_down
from sparkle.schemas import layout
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.records import SourceRecord


@pytest.fixture
def older(release: Path) -> Path:
    """The release as it was before."""
    croissant = json.loads((release / layout.CROISSANT).read_bytes())
    entries = {entry.path: entry for entry in read_manifest(release)}
    for path in [path for path in entries if path.startswith("data/")]:
        schema = pairs_schema_for_datasets()
        told = json.loads(schema.metadata[b"huggingface"])
        for name in LATER_COLUMNS:
            schema = schema.remove(schema.get_field_index(name))
            told["info"]["features"].pop(name)
        schema = schema.with_metadata({"huggingface": json.dumps(told)})
        table = pq.read_table(release / path, columns=schema.names).cast(schema)
        with table_writer(release / path, schema, **ENCODING) as writer:
            writer.write_table(table)
        before, entries[path] = entries[path], describe_file(release, path)
        (told,) = (file for file in croissant["distribution"] if file.get("sha256") == before.sha256)
        told |= {"sha256": entries[path].sha256, "contentSize": f"{entries[path].size} B"}
    (release / layout.CROISSANT).write_bytes(dump_document(croissant))
    entries[layout.CROISSANT] = describe_file(release, layout.CROISSANT)
    (release / layout.MANIFEST).write_bytes(dump_manifest(entries.values()))
    return release


def test_it_is_whole_and_its_hashes_are_unknown(older: Path, shared_release: Path) -> None:
    assert sparkle.validate(older).findings == sparkle.validate(shared_release).findings
    pairs = sparkle.open_pairs(older)
    assert len(pairs) > 0
    assert pairs.column("median_hash").null_count == len(pairs)


def test_pairs_are_taken_down(older: Path) -> None:
    leaves = sparkle.open_pairs(older).ids[0]
    take_down(older, [leaves], [])
    assert leaves not in sparkle.open_pairs(older).ids
    assert sparkle.open_pairs(older).column("median_hash").null_count == len(sparkle.open_pairs(older))


def test_a_build_hashes_the_clips_of_a_run_that_did_not(
    run: Path, shared_release: Path, options: ReleaseOptions
) -> None:
    path = run / layout.SOURCES
    sources = [source for _, source in read_records(path, SourceRecord)]
    write_jsonl(
        path, [structs.replace(source, median_hash=None, perceptual_hash="0" * 16) for source in sources]
    )
    build_release([run], run.parent / "again", options)
    found = sparkle.open_pairs(run.parent / "again").column("median_hash")
    assert found.null_count == 0
    assert found.to_pylist() != sparkle.open_pairs(shared_release).column("median_hash").to_pylist()


def test_a_hash_that_is_none_is_found(release: Path) -> None:
    path = layout.data_parquet("location", 0, 2)
    schema = pairs_schema_for_datasets()
    table = pq.read_table(release / path)
    at = schema.get_field_index("median_hash")
    values = ["é", *table["median_hash"].to_pylist()[1:]]
    with table_writer(release / path, schema, **ENCODING) as writer:
        writer.write_table(table.set_column(at, schema.field(at), [values]).cast(schema))
    found = sparkle.validate(release).findings
    assert [item.got for item in found if item.problem == "not the hash of a scene"] == ["é"]
