"""Where an endpoint is, and the key that opens it: neither is in a record, and the key in no error."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from sparkle.schemas.errors import ConfigError


def address_of(base_url: str | None, table: str) -> str:
    """Return the address of an endpoint; without one, `OPENAI_BASE_URL` of the environment.

    Raises:
        ConfigError: there is none, or it holds a secret.
    """
    address = base_url or os.environ.get("OPENAI_BASE_URL", "")
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            "there is no endpoint to ask",
            got=address or "neither base_url nor OPENAI_BASE_URL",
            wanted=f'base_url = "http://127.0.0.1:8000/v1" or the like in {table}',
        )
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "the endpoint's address holds a secret",
            wanted="an address without user, password and query",
            where="base_url",
            fix="put the key into an environment variable and name that in api_key_env",
        )
    return address


def key_of(api_key_env: str | None) -> str:
    """Return the key that an environment variable holds; empty where none is named.

    Raises:
        ConfigError: it holds none, or what no key can be.
    """
    if api_key_env is None:
        return ""
    key = os.environ.get(api_key_env, "").strip()
    if not key:
        raise ConfigError(
            "the endpoint's key is not set",
            wanted=f"the environment variable {api_key_env}",
            where="api_key_env",
            fix=f"export {api_key_env}=... and run the same command again",
        )
    if not (key.isascii() and key.isprintable()):  # it goes into a header
        raise ConfigError("the endpoint's key holds what no key can", where=api_key_env)
    return key
