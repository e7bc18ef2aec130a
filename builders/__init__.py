"""Floor 3, the builders: a finished run becomes a release that stock readers read.

`building.build` writes one, `checks.release.check_release` tells whether one is whole and agrees with itself.
Run folders are read through `sparkle.schemas.layout`; nothing here knows how they are made.
"""
