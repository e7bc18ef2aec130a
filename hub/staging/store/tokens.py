"""Who may do what: tokens that people hold, and signatures that the hub gives out.

- A token is 256 random bits. The database has its SHA-256 and never the token: against a secret of that size
  there is nothing to guess, so a slow hash (scrypt) would cost every request and gain nothing.
- A write token may write to every namespace: a rehearsal publishes `stdKonjac/Sparkle` without owning it.
- URLs for uploads and downloads carry no token: they are signed for one purpose and run out. The key is
  in `ROOT/secret`, so that an upload goes on after a restart.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path
from typing import Literal

from sparkle._files import fsync_folder
from sparkle.hub.staging.store.blobs import file_size
from sparkle.hub.staging.store.database import Database
from sparkle.hub.staging.store.refusal import Refusal, number

Role = Literal["read", "write"]
USER = "staging"  # the name of whoever has a token
_KEY_BYTES = 32


def has_tokens(database: Database) -> bool:
    """Return whether anybody was given a token."""
    return database.read().execute("SELECT 1 FROM tokens").fetchone() is not None


def reset_tokens(database: Database) -> dict[Role, str]:
    """Forget every token and make one per role; this is the only time that they are seen."""
    made: dict[Role, str] = {role: f"hf_{secrets.token_hex(32)}" for role in ("write", "read")}
    with database.write() as connection:
        connection.execute("DELETE FROM tokens")
        for role, token in made.items():
            connection.execute("INSERT INTO tokens VALUES(?,?)", (_hash(token), role))
    return made


def find_role(database: Database, authorization: str | None) -> Role | None:
    """Return what the holder of a token may do, None without one; raises Refusal for a wrong one."""
    if not authorization:
        return None
    scheme, _, token = authorization.partition(" ")
    sought = "SELECT role FROM tokens WHERE hash=?", (_hash(token.strip()),)
    row = database.read().execute(*sought).fetchone()
    if row is None or scheme.lower() != "bearer":
        # The client knows these words.
        raise Refusal(401, "InvalidCredentials", "Invalid credentials in Authorization header")
    role: Role = row["role"]
    return role


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class Signer:
    """Signs what the hub gives out and knows it again.

    Args:
        path: The key's file; made when it is not there, readable by its owner alone.
    """

    def __init__(self, path: Path) -> None:
        if file_size(path) != _KEY_BYTES:  # not there, or a kill left half of it
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            fsync_folder(path.parent)
        self._key = path.read_bytes()

    def sign(self, seconds: int, *what: object) -> str:
        """Make `<time it runs out>.<signature>` for a purpose."""
        expires = int(time.time()) + seconds
        return f"{expires}.{self._signature(expires, what)}"

    def check(self, signature: str, *what: object) -> bool:
        """Return whether a signature is for this purpose and has not run out."""
        text, _, given = signature.partition(".")
        expires = number(text)
        if expires is None or expires < time.time():
            return False
        return hmac.compare_digest(given.encode(), self._signature(expires, what).encode())

    def _signature(self, expires: int, what: tuple[object, ...]) -> str:
        text = "\n".join(map(str, (expires, *what)))
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()
