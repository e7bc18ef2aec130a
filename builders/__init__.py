"""Floor 3, the builders: a finished run becomes a release that stock readers read.

`release.build_release` writes one, `release_check.check_release` tells whether one is whole and agrees
with itself. Run folders are read through `sparkle.schemas.layout`; nothing here knows how they are made.
"""
