"""Artifacts of a Hub on disk: bounded, shared by processes, and never in the way of reading."""

from __future__ import annotations

import resource
import warnings
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from sparkle.builders.reading.pairs import Pairs
from sparkle.builders.reading.source import open_source
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.layout import EDITED_VIDEO, SOURCE_VIDEO, Kind


def artifacts_of(pairs: Pairs, *kinds: Kind) -> list[Artifact]:
    return [pairs.artifact(row, kind) for row in range(len(pairs)) for kind in kinds]


def test_the_cache_stays_below_its_limit_and_keeps_what_was_read_last(
    hub: Any, pairs: Pairs, tmp_path: Path
) -> None:
    artifacts = artifacts_of(pairs, SOURCE_VIDEO, EDITED_VIDEO)
    limit = sum(artifact.size for artifact in artifacts) // 3
    source = open_source(pairs.catalog, cache=tmp_path / "kept", cache_bytes=limit)
    for artifact in artifacts:
        source.read(artifact)
        source.read(artifacts[0])
        kept = sum(path.stat().st_size for path in (tmp_path / "kept").glob("??/*"))
        assert kept <= limit
    hub.asked.clear()
    source.read(artifacts[0])
    source.read(artifacts[-1])
    assert hub.asked == []
    source.read(artifacts[1])
    assert hub.asked != []


def fill(job: tuple[Any, Path, int, list[Artifact]]) -> list[bytes]:
    place, folder, limit, artifacts = job
    return list(open_source(place, cache=folder, cache_bytes=limit).read_many(artifacts))


@pytest.mark.parametrize("share", [10, 0.4], ids=["room for all", "room for some"])
def test_processes_that_fill_one_cache_do_no_harm(
    hub: Any, pairs: Pairs, release: Path, tmp_path: Path, share: float
) -> None:
    artifacts = artifacts_of(pairs, SOURCE_VIDEO, EDITED_VIDEO)
    limit = int(share * sum(artifact.size for artifact in artifacts))
    wanted = list(open_source(release).read_many(artifacts))
    job = (pairs.catalog, tmp_path / "kept", limit, artifacts)
    with get_context("fork").Pool(4) as pool:
        assert pool.map(fill, [job] * 8, chunksize=1) == [wanted] * 8
    files = [path for path in (tmp_path / "kept").glob("??/*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= limit
    by_hash = {
        artifact.sha256.hex(): data
        for artifact, data in zip(artifacts, wanted, strict=True)
        if artifact.sha256
    }
    assert all(path.read_bytes() == by_hash[path.name] for path in files)


def test_what_a_kill_left_in_the_cache_is_counted_and_goes(hub: Any, pairs: Pairs, tmp_path: Path) -> None:
    artifacts = artifacts_of(pairs, SOURCE_VIDEO)
    limit = 3 * max(artifact.size for artifact in artifacts)
    leftover = tmp_path / "kept" / "ab" / ".tmp-1-half"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(bytes(limit))
    (tmp_path / "kept" / "total").write_bytes(b"")  # the kill came before the count was written
    list(open_source(pairs.catalog, cache=tmp_path / "kept", cache_bytes=limit).read_many(artifacts))
    assert not leftover.exists()
    assert 0 < sum(path.stat().st_size for path in (tmp_path / "kept").glob("??/*")) <= limit


def test_a_kept_artifact_that_was_spoilt_is_fetched_again(hub: Any, pairs: Pairs, tmp_path: Path) -> None:
    artifact = pairs.artifact(0, SOURCE_VIDEO)
    source = open_source(pairs.catalog, cache=tmp_path / "kept")
    wanted = source.read(artifact)
    (kept,) = (tmp_path / "kept").glob("??/*")
    kept.write_bytes(bytes(len(wanted)))
    assert source.read(artifact) == wanted
    assert kept.read_bytes() == wanted


def test_a_disk_that_takes_no_more_is_said_once_and_read_on(
    hub: Any, pairs: Pairs, release: Path, tmp_path: Path
) -> None:
    artifacts = artifacts_of(pairs, SOURCE_VIDEO)
    wanted = list(open_source(release).read_many(artifacts))
    source = open_source(pairs.catalog, cache=tmp_path / "kept")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The system refuses what is written behind this offset of a file, as a full disk does.
    resource.setrlimit(resource.RLIMIT_FSIZE, (artifacts[0].size // 2, limits[1]))
    try:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            assert [source.read(artifact) for artifact in artifacts] == wanted
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert ["cannot be written" in str(warning.message) for warning in said] == [True]
    assert list((tmp_path / "kept").glob("??/*")) == []  # not half a file either
    assert list(source.read_many(artifacts)) == wanted
