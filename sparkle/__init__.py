"""Sparkle: make, publish, prove and read datasets of background-replacement video pairs.

The floors are packages of their own: `sparkle.schemas`, `sparkle.media`, `sparkle.generation`,
`sparkle.builders`, `sparkle.hub`. What a reader needs first is here by name. Nothing heavy is imported before
it is used: these names are looked up when they are asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparkle.schemas.version import __version__

if TYPE_CHECKING:
    from sparkle.builders.reading.pairs import open_pairs
    from sparkle.builders.reading.source import open_source
    from sparkle.builders.training.dataset import PairDataset
    from sparkle.builders.training.hf import load
    from sparkle.media.mask import load_mask
    from sparkle.schemas.boxes import bbox_to_pixels

__all__ = ["PairDataset", "__version__", "bbox_to_pixels", "load", "load_mask", "open_pairs", "open_source"]

# Name -> the module that has it.
_PUBLIC = {
    "PairDataset": "sparkle.builders.training.dataset",
    "bbox_to_pixels": "sparkle.schemas.boxes",
    "load": "sparkle.builders.training.hf",
    "load_mask": "sparkle.media.mask",
    "open_pairs": "sparkle.builders.reading.pairs",
    "open_source": "sparkle.builders.reading.source",
}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
