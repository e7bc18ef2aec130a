"""What an extra of the package brings, and how to install it, whichever way the package was installed.

Who only reads may have much older packages than who makes or publishes, since it is done beside a trainer,
with the trainer's pins. So what needs newer ones asks for them when it begins.
"""

from __future__ import annotations

import re
import shlex
from importlib.metadata import PackageNotFoundError, requires, version

from sparkle.schemas.errors import ConfigError

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


def require(package: str, least: str, *, extra: str, whom: str) -> None:
    """Raise ConfigError where a package is missing, or older than something needs.

    Args:
        package: Its name.
        least: The first version that does.
        extra: The extra that brings it.
        whom: What needs it, in words.
    """
    try:
        got = version(package)
    except PackageNotFoundError:
        wanted = f"{package} {least} or newer, for {whom}"
        raise ConfigError("a package is not installed", wanted=wanted, fix=install(extra)) from None
    if _numbers(got) < _numbers(least):
        raise ConfigError(
            f"{package} is too old for {whom}",
            got=got,
            wanted=f"{least} or newer",
            fix=f"{install(extra)}, in an environment of its own if another package here needs the old one",
        )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])
