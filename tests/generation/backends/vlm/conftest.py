"""A loopback endpoint, a VLM that asks it, and what it is asked about."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from harness.endpoint import (
    INSTRUCTION,
    OBJECTS,
    LocalEndpoint,
    completion,
    config_toml,
    fault,
    good_answer,
    job_of,
    pictures,
    question_of,
)
from sparkle.generation.backends import make_backend
from sparkle.generation.config import parse_config
from sparkle.media.decode import iter_frames
from sparkle.media.images import write_png


@pytest.fixture
def endpoint(monkeypatch, tmp_path):
    """The endpoint, with a cache of this test's own."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("SPARKLE_CACHE", str(tmp_path / "cache"))
    server = LocalEndpoint()
    yield server
    server.close()


@pytest.fixture
def make_vlm(endpoint):
    """Make a VLM as a run does: TOML, configuration, registry, setup."""
    pytest.importorskip("openai", reason="needs the extra vlm: pip install 'sparkle-dataset[vlm]'")

    def make(**options):
        table = {
            "name": "openai",
            "model": "qwen3-vl",
            "revision": "served",
            "base_url": endpoint.url,
            "backoff": 0.01,
            **options,
        }
        vlm = "\n".join(f"{name} = {json.dumps(value)}" for name, value in table.items())
        backend = make_backend(parse_config(config_toml(vlm), where="test.toml"), "vlm")
        backend.setup()
        return backend

    return make


@pytest.fixture(scope="session")
def pair(clips, tmp_path_factory):
    """A clip, its first frame, and that frame edited."""
    folder = tmp_path_factory.mktemp("pair")
    first = next(iter_frames(clips["first"].path))
    edited = np.ascontiguousarray(first[:, ::-1])
    write_png(folder / "source.png", first)
    write_png(folder / "edited.png", edited)
    return clips["first"].path, folder / "source.png", folder / "edited.png"


@pytest.fixture
def talk():
    """The words of the protocol, for tests: they cannot import this file."""
    return SimpleNamespace(
        completion=completion,
        fault=fault,
        good_answer=good_answer,
        job_of=job_of,
        question_of=question_of,
        pictures=pictures,
        config_toml=config_toml,
        instruction=INSTRUCTION,
        objects=OBJECTS,
    )
