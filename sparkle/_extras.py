"""How to install what an extra of the package brings, whichever way the package itself was installed."""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires

_NAME = "sparkle-dataset"
_OF_EXTRA = re.compile(r"""(?P<requirement>[^;]+?)\s*;\s*extra\s*==\s*["'](?P<extra>[\w-]+)["']""")


def install(extra: str) -> str:
    """Return the command that installs an extra's packages.

    It names them one by one: a name of ours would send those who installed from a checkout or a wheel to an
    index that does not have it.
    """
    try:
        found = [_OF_EXTRA.fullmatch(line) for line in requires(_NAME) or ()]
    except PackageNotFoundError:
        found = []
    wanted = [match["requirement"] for match in found if match and match["extra"] == extra]
    return f"pip install {shlex.join(wanted)}" if wanted else f"pip install -e '.[{extra}]' in the checkout"
