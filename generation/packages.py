"""Packages that come with an extra: missing is an error that names the extra, and versions are recorded."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from sparkle.schemas.errors import ConfigError


def package_versions(names: tuple[str, ...], *, extra: str) -> dict[str, str]:
    """The installed versions of packages by name, without importing any.

    Args:
        names: Names of distributions, such as `torch`.
        extra: The extra of this package that installs them.

    Raises:
        ConfigError: one is not installed; the error names the command that installs it.
    """
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            raise ConfigError(
                "a package is not installed", wanted=name, fix=f"pip install 'sparkle-dataset[{extra}]'"
            ) from None
    return found
