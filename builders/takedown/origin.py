"""A release without some of its samples, as what a release is made of.

How it works
- The tables say which rows a source or an id has, and where their artifacts lie. Tars are not opened for the
  plan. What is asked for and is not there stops it; what was removed before is left alone.
- What is written is what a build of the samples that stay would write, after the same previous release:
  tables, text, tars, loose files and previews alike. Only the pages say that something was removed.
- Of each tar that holds a removed sample the members that stay are read by range, neighbours in one, and
  compared with their hashes: what is removed is not transferred again, nor is a tar that loses nothing.
- The first samples of a theme also have loose files: when one of them is removed, the next ones move up.
- Paired shards are another copy of some artifacts, in the order of ids; no table says which shard has which
  sample, so the first header of some of them tells where to look. One that loses samples is read once, front
  to back, keeps its number, and is not refilled: a build would fill them afresh.
- Tars of an import are as somebody else wrote them: they are cut by the names of their members (`cuts`).
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sparkle._files import atomic_path
from sparkle._progress import Advance, Progress, silent
from sparkle.builders.building.origin import Piece
from sparkle.builders.building.pack import ShardPlan
from sparkle.builders.building.previous import next_numbers
from sparkle.builders.building.provenance import ReleaseOptions
from sparkle.builders.cards.plots import PLOTS
from sparkle.builders.reading.place import Place, fetch_listed, read_entries
from sparkle.builders.release.assign import BLOCK, data_offsets, member_bytes, tar_bytes
from sparkle.builders.release.manifest import FileEntry
from sparkle.builders.release.removed import Removed, add_section, id_mark, read_provenance, source_mark
from sparkle.builders.release.tables import read_columns, rows_schema
from sparkle.builders.release.tar import Shard, hash_tar, parse_header
from sparkle.builders.takedown.cuts import (
    Blocks,
    cut_csv,
    cut_foreign,
    cut_lines,
    cut_paired,
    cut_records,
    names_sample,
    read_previews,
)
from sparkle.schemas import layout
from sparkle.schemas.artifact import Artifact
from sparkle.schemas.canonical import dump_document
from sparkle.schemas.errors import ReleaseError
from sparkle.schemas.ids import THEMES, parse_id, theme_of
from sparkle.schemas.layout import KINDS, Kind, What
from sparkle.schemas.records import ArtifactRef
from sparkle.schemas.validate import check

_SHOWN = 3  # ids in a message
