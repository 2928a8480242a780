"""What was asked of endpoints and what it took: answers by content hash, and a budget over all runs of a folder.

One SQLite file, so that a killed run loses at most the answers under way.
"""

import hashlib
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from mglmm.schema import UserError


class BudgetSpentError(UserError):
    """The budget is used up: the run stops, and goes on with a larger one."""


class Answer(NamedTuple):
    """What a model answered, the tokens it took and the requests that were sent for it."""

    text: str
    prompt_tokens: int
    completion_tokens: int
    attempts: int


class Totals(NamedTuple):
    """Over all runs: calls answered, requests sent, those that failed for good, tokens and cost."""

    answered: int = 0
    attempts: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0


class Ledger:
    """The file of answers and calls of an output folder."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            UserError: it is damaged or cannot be written; so do all methods.
        """
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._broken(error) from error
        self._do("PRAGMA journal_mode = WAL")
        # a power cut may lose the last answers, a killed process does not
        self._do("PRAGMA synchronous = NORMAL")
        self._do(
            "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT, prompt_tokens INT,"
            " completion_tokens INT, attempts INT)"
        )
        self._do(
            "CREATE TABLE IF NOT EXISTS calls (model TEXT, outcome TEXT, attempts INT, prompt_tokens INT,"
            " completion_tokens INT, usd REAL, seconds REAL)"
        )
        (row,) = self._do(
            "SELECT COALESCE(SUM(outcome = 'answered'), 0), COALESCE(SUM(attempts), 0),"
            " COALESCE(SUM(outcome != 'answered'), 0), COALESCE(SUM(prompt_tokens), 0),"
            " COALESCE(SUM(completion_tokens), 0), COALESCE(SUM(usd), 0.0) FROM calls"
        )
        self._totals = Totals(*row)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def known(self, key: str) -> Answer | None:
        """The answer to a request that was answered before."""
        rows = self._do("SELECT text, prompt_tokens, completion_tokens, attempts FROM answers WHERE key = ?", key)
        return Answer(*rows[0]) if rows else None

    def add(self, key: str, model: str, answer: Answer, usd: float, seconds: float) -> None:
        """Keep an answer and count its call, both or neither."""
        self._do("BEGIN")
        self._do("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", key, *answer)
        self._count(model, "answered", answer, usd, seconds)
        self._do("COMMIT")

    def add_failure(self, model: str, reason: str, attempts: int, seconds: float) -> None:
        """Count a call that was not answered."""
        self._count(model, reason, Answer("", 0, 0, attempts), 0.0, seconds)

    def totals(self) -> Totals:
        """What all calls took."""
        return self._totals

    def outcomes(self) -> dict[str, int]:
        """How the calls ended -> how many did."""
        return dict(self._do("SELECT outcome, COUNT(*) FROM calls GROUP BY outcome ORDER BY outcome"))

    def _count(self, model: str, outcome: str, answer: Answer, usd: float, seconds: float) -> None:
        values = (model, outcome, answer.attempts, answer.prompt_tokens, answer.completion_tokens, usd, seconds)
        self._do("INSERT INTO calls VALUES (?, ?, ?, ?, ?, ?, ?)", *values)
        answered, old = outcome == "answered", self._totals
        self._totals = Totals(
            answered=old.answered + answered,
            attempts=old.attempts + answer.attempts,
            failed=old.failed + (not answered),
            prompt_tokens=old.prompt_tokens + answer.prompt_tokens,
            completion_tokens=old.completion_tokens + answer.completion_tokens,
            usd=old.usd + usd,
        )

    def _do(self, sql: str, *values: object) -> list[Any]:
        """The rows of a statement."""
        try:
            with closing(self._db.execute(sql, values)) as rows:
                return rows.fetchall()
        except sqlite3.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: sqlite3.Error) -> UserError:
        return UserError(
            f"{self.path}: {error}; if the file is damaged, move it away: its answers are asked for again, and "
            "what they cost counts no more"
        )


def request_key(request: Mapping[str, Any]) -> str:
    """The SHA-256 of what is asked, pictures included."""
    return hashlib.sha256(json.dumps(request, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
