"""When may an outcome be used again? Only when everything that decides it is the same.

A fingerprint covers the step and its version, the configuration that it reads, the seed, the
backend's identity, decisive options, prompt texts and libraries, the sample's prompt and the records of
earlier steps that it needs, the sha256 of its input artifacts, and the versions of the libraries that
decide pixels and bytes.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import Any

import cv2

from sparkle._extras import require
from sparkle.generation.backend import Packaged, Prompted, decisive_options
from sparkle.generation.backends import make_backend
from sparkle.generation.config import CAPABILITIES, RunConfig
from sparkle.generation.steps.base import AnyStep, SampleState, step_seed
from sparkle.media.encode import encoder_versions
from sparkle.schemas.canonical import fingerprint
from sparkle.schemas.records import without_repairs


@cache
def library_versions() -> dict[str, str]:
    """Return versions of the libraries that decide pixels and bytes.

    Raises:
        ConfigError: PyAV is older than what makes clips needs.
    """
    require("av", "18", extra="generate", whom="making pairs")
    return dict(sorted(encoder_versions().items()))


def processor() -> dict[str, str]:
    """Return the widest instructions that OpenCV uses on this processor.

    They decide the last bit of what optical flow and remap compute, so they are recorded beside the
    libraries. They are in no fingerprint: a run may go on on another machine.
    """
    usable = [name.strip("*") for name in cv2.getCPUFeaturesLine().split() if not name.endswith("?")]
    return {"opencv-instructions": usable[-1] if usable else "baseline"}


def step_identity(step: AnyStep) -> dict[str, Any]:
    """Return the part of the fingerprint that is the same for every sample."""
    return {
        "step": step.name,
        "version": step.version,
        "settings": step.settings(),
        "backend": None if step.capability is None else _backend_identity(step, step.capability),
        "libraries": library_versions(),
    }


def _backend_identity(step: AnyStep, capability: str) -> dict[str, Any]:
    backend = step.backend
    table = decisive_options(backend, step.config.backend_table(capability))
    parts: dict[str, Any] = {"table": table, **asdict(backend.identity)}
    if isinstance(backend, Prompted):
        parts["prompts"] = backend.prompts(step.name)
    if isinstance(backend, Packaged):
        parts["packages"] = backend.packages()
    return parts


def run_packages(config: RunConfig) -> dict[str, str]:
    """Return versions of everything that decides what a run makes, for run.toml and the provenance."""
    found = {**library_versions(), **processor()}
    for capability in CAPABILITIES:
        backend = make_backend(config, capability)
        if isinstance(backend, Packaged):
            found.update(backend.packages())
    return dict(sorted(found.items()))


def sample_fingerprint(step: AnyStep, identity: dict[str, Any], sample: SampleState) -> str:
    """Return the fingerprint of a sample in a step."""
    return fingerprint(
        {
            **identity,
            "seed": step_seed(step.config, step, sample),
            "sample": step_inputs(step, sample),
            "records": {name: without_repairs(sample.records[name]) for name in step.needs},
            "artifacts": {kind.name: sample.artifacts[kind.name].sha256 for kind in step.reads},
        }
    )


def step_inputs(step: AnyStep, sample: SampleState) -> dict[str, Any]:
    """Return what a step takes from the candidate itself."""
    if step.name == "normalise":
        return {"source": sample.candidate.source}
    if step.name == "compose":
        return {"theme": sample.candidate.theme, "prompt": sample.candidate.prompt}
    return {}
