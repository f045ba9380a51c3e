"""The ledger, queried: what happened, in order, and what nobody could handle."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from tidemill_contracts.event import EventData
from tidemill_contracts.events import EVENT_TYPES

# Events are appended at least once; the pair of source and id says which are the same.
EVENTS = """
SELECT type, subject, time, correlationid, data FROM read_parquet(?)
WHERE (? IS NULL OR correlationid = ?) AND (? IS NULL OR data::JSON ->> 'pipeline' = ?)
QUALIFY row_number() OVER (PARTITION BY source, id ORDER BY published_at) = 1
ORDER BY time DESC LIMIT ?
"""
DEAD_LETTERS = """
SELECT DISTINCT time, subscription, code, reason, attributes FROM read_parquet(?)
ORDER BY time DESC LIMIT ?
"""

# The platform merges small files while it runs: one that was listed may be gone when it is read.
ATTEMPTS = 3


@dataclass(frozen=True)
class Entry:
    """One event. `data` is None when it is of a version this one cannot read."""

    type: str
    subject: str
    time: datetime
    correlation_id: str
    data: EventData | None


@dataclass(frozen=True)
class DeadLetter:
    """A message that nobody could handle, and why."""

    time: datetime
    subscription: str
    code: str
    reason: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class Ledger:
    """The tables that the platform keeps in its bucket."""

    bucket: Path

    def events(
        self, *, pipeline: str | None = None, correlation_id: str | None = None, limit: int = 50
    ) -> list[Entry]:
        """Return the latest events, oldest first."""
        asked = (correlation_id, correlation_id, pipeline, pipeline, limit)
        rows = self._query("events", EVENTS, asked)
        return [_entry(*row) for row in reversed(rows)]

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Return the latest dead letters, oldest first."""
        rows = self._query("dead_letters", DEAD_LETTERS, (limit,))
        return [
            DeadLetter(time, subscription, code, reason, json.loads(attributes))
            for time, subscription, code, reason, attributes in reversed(rows)
        ]

    def _query(self, table: str, query: str, parameters: Sequence[object]) -> list[Any]:
        for attempt in range(1, ATTEMPTS + 1):
            files = [str(path) for path in sorted((self.bucket / "warehouse" / table).rglob("*.parquet"))]
            if not files:
                break
            try:
                with duckdb.connect() as database:
                    return database.execute(query, [files, *parameters]).fetchall()
            except duckdb.IOException:
                if attempt == ATTEMPTS:
                    raise
        return []


def _entry(event_type: str, subject: str, time: datetime, correlation_id: str, data: str) -> Entry:
    known = EVENT_TYPES.get(event_type)
    return Entry(
        event_type, subject, time, correlation_id, known.model_validate_json(data) if known else None
    )
