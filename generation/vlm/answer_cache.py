"""Answers that were given before, by the content of their question, in the user's cache folder.

- The key is a hash over everything that decides an answer: model and revision, words, the pictures' sha256,
  parameters. It knows no endpoint: the same model served elsewhere gives the same answers.
- Only whole answers are kept: nothing that was refused, cut short or failed. A key of a service never
  comes near it.
- A run that was killed asks nothing twice. Losing the cache costs the questions again and nothing else.
"""

from __future__ import annotations

import sqlite3
import weakref
from threading import Lock

from sparkle.generation.user_cache import open_database

_SCHEMA = "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, answer TEXT) WITHOUT ROWID"


class AnswerCache:
    """Answers by key; several threads may use it."""

    def __init__(self) -> None:
        self._database = open_database("answers.sqlite", _SCHEMA)
        self._lock = Lock()
        weakref.finalize(self, self._database.close)

    def get(self, key: str) -> str | None:
        """The answer that was kept, or None."""
        return self._query("SELECT answer FROM answers WHERE key = ?", key)

    def put(self, key: str, answer: str) -> None:
        """Keep an answer."""
        self._query("REPLACE INTO answers (key, answer) VALUES (?, ?)", key, answer)

    def _query(self, statement: str, *values: str) -> str | None:
        with self._lock:
            try:
                row = self._database.execute(statement, values).fetchone()
            except sqlite3.Error:  # locked for long, read-only, full: a cache never stops a run
                return None
        return None if row is None else str(row[0])
