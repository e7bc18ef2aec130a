"""provenance.json of an import: it has no path or time, so the same folder gives the same bytes anywhere."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from sparkle.builders.provenance import FORMAT, VERSION
from sparkle.schemas import layout
from sparkle.schemas.validate import check

_DISTRIBUTION = "sparkle-dataset"


def imported_provenance(tars: int, loose: int, problems: Mapping[str, int]) -> dict[str, Any]:
    """The provenance of an import; raises RecordError when it does not follow its schema.

    Args:
        tars: How many tars were read.
        loose: How many loose files were read.
        problems: How often each problem was found.
    """
    document = {
        "format": FORMAT,
        "version": VERSION,
        "code": {"name": _DISTRIBUTION, "version": version(_DISTRIBUTION)},
        "options": {"max_shard_size": None, "preview": None},
        "packages": {"pyarrow": version("pyarrow")},
        "imported": {"tars": tars, "loose": loose, "findings": dict(problems)},
        "runs": [],
    }
    check("provenance", document, where=layout.PROVENANCE)
    return document
