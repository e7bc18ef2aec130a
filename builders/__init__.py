"""Floor 3, the builders: a finished run becomes a release that stock readers read.

`building.build` writes one, `checks.release.check_release` tells whether one is whole and agrees with itself.
Run folders are read through `sparkle.schemas.layout`; nothing here knows how they are made.
"""

from __future__ import annotations

import csv

from sparkle.schemas.validate import MAX_LINE_BYTES

# Prompts may be longer than the 131,072 characters of a field that the csv module takes by itself; its limit
# is one of the process, for all modules that read csv.
csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE_BYTES))
