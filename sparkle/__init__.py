"""Sparkle: make, publish, prove and read datasets of source/edited video pairs.

Read pairs
    load              pairs with their videos, as a dataset of Hugging Face's `datasets`
    open_pairs        the rows of a release's tables, without reading any video
    open_source       the bytes of what these rows name, verified
    load_mask         a mask file as an array
    bbox_to_pixels    a box in thousandths as pixels of a frame

Train on them
    PairDataset       pairs as tensors, for torch's DataLoader
    Clip              which frames of a pair, how large, which part of the picture
    Order             the order in which rows are seen, a function of seed and epoch
    PairSampler       batches of that order for ranks and workers, with exact resumption
    collate           items as a batch
    kiwi              a drop-in for Kiwi-Edit's dataset

Make, check and share releases
    build             finished runs become a release
    validate          is a release whole, and does it agree with itself?
    verify            is it what it says, and can it be made again?
    diff              how two releases differ
    publish           a release goes to a Hub or a folder
    pull              chosen pairs come to this machine, as files

Name the artifacts of a pair
    SOURCE_VIDEO  EDITED_VIDEO  SOURCE_VIDEO_MASK  BACKGROUND_VIDEO  VIDEO_CANNY
    SOURCE_FRAME0  EDITED_FRAME0  FOREGROUND_REMOVED

Catch errors
    SparkleError      every error that is the user's to resolve, in parts: problem, got, wanted, where, fix
    ConfigError       an option or a configuration is invalid
    ReleaseError      a release cannot be written or read
    UnreachableError  a Hub did not answer; a later try may work

These are the public names; everything below them may move. Each is imported when it is first used: `import
sparkle` is light. The commands `sparkle` and `sparkle-hub` do the rest; docs/README.md lists the pages that
explain them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparkle.schemas.version import __version__ as __version__

if TYPE_CHECKING:
    from sparkle.builders.building import build as build
    from sparkle.builders.checks import validate as validate
    from sparkle.builders.reading.pairs import open_pairs as open_pairs
    from sparkle.builders.reading.source import open_source as open_source
    from sparkle.builders.training import kiwi as kiwi
    from sparkle.builders.training.dataset import PairDataset as PairDataset
    from sparkle.builders.training.hf import load as load
    from sparkle.builders.training.item import Clip as Clip
    from sparkle.builders.training.order import Order as Order
    from sparkle.builders.training.sampler import PairSampler as PairSampler
    from sparkle.builders.training.tensors import collate as collate
    from sparkle.hub.diff import diff as diff
    from sparkle.hub.publish import publish as publish
    from sparkle.hub.pull import pull as pull
    from sparkle.hub.verify import verify as verify
    from sparkle.media.mask import load_mask as load_mask
    from sparkle.schemas.boxes import bbox_to_pixels as bbox_to_pixels
    from sparkle.schemas.errors import ConfigError as ConfigError
    from sparkle.schemas.errors import ReleaseError as ReleaseError
    from sparkle.schemas.errors import SparkleError as SparkleError
    from sparkle.schemas.errors import UnreachableError as UnreachableError
    from sparkle.schemas.layout import BACKGROUND_VIDEO as BACKGROUND_VIDEO
    from sparkle.schemas.layout import EDITED_FRAME0 as EDITED_FRAME0
    from sparkle.schemas.layout import EDITED_VIDEO as EDITED_VIDEO
    from sparkle.schemas.layout import FOREGROUND_REMOVED as FOREGROUND_REMOVED
    from sparkle.schemas.layout import SOURCE_FRAME0 as SOURCE_FRAME0
    from sparkle.schemas.layout import SOURCE_VIDEO as SOURCE_VIDEO
    from sparkle.schemas.layout import SOURCE_VIDEO_MASK as SOURCE_VIDEO_MASK
    from sparkle.schemas.layout import VIDEO_CANNY as VIDEO_CANNY

# Module -> the public names in it.
_PUBLIC = {
    "builders.building": ("build",),
    "builders.checks": ("validate",),
    "builders.reading.pairs": ("open_pairs",),
    "builders.reading.source": ("open_source",),
    "builders.training": ("kiwi",),
    "builders.training.dataset": ("PairDataset",),
    "builders.training.hf": ("load",),
    "builders.training.item": ("Clip",),
    "builders.training.order": ("Order",),
    "builders.training.sampler": ("PairSampler",),
    "builders.training.tensors": ("collate",),
    "hub.diff": ("diff",),
    "hub.publish": ("publish",),
    "hub.pull": ("pull",),
    "hub.verify": ("verify",),
    "media.mask": ("load_mask",),
    "schemas.boxes": ("bbox_to_pixels",),
    "schemas.errors": ("ConfigError", "ReleaseError", "SparkleError", "UnreachableError"),
    "schemas.layout": (
        "BACKGROUND_VIDEO",
        "EDITED_FRAME0",
        "EDITED_VIDEO",
        "FOREGROUND_REMOVED",
        "SOURCE_FRAME0",
        "SOURCE_VIDEO",
        "SOURCE_VIDEO_MASK",
        "VIDEO_CANNY",
    ),
}
_MODULE_OF = {name: f"{__name__}.{module}" for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(["__version__", *_MODULE_OF])


def __getattr__(name: str) -> Any:
    if name == "kiwi":
        return import_module(f"{_MODULE_OF[name]}.{name}")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
