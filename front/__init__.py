"""Sparkle: make, publish, prove and read datasets of background-replacement video pairs.

The floors are packages of their own: `sparkle.schemas`, `sparkle.media`, `sparkle.generation`,
`sparkle.builders`, `sparkle.hub`. Nothing heavy is imported before it is used.
"""

from sparkle.schemas.version import __version__

__all__ = ["__version__"]
