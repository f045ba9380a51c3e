"""Statistics of a tracking database in SQLite: without them it takes seconds to sort runs by a metric."""

import sqlite3
from contextlib import closing

SQLITE = "sqlite:///"
# Rows that are looked at per index: enough to tell large tables from small ones.
SAMPLED_ROWS = 1000
LOCK_SECONDS = 30


def refresh_statistics(tracking_uri: str) -> None:
    """Have SQLite look at its tables anew; other databases do so by themselves."""
    if not tracking_uri.startswith(SQLITE):
        return
    with closing(sqlite3.connect(tracking_uri.removeprefix(SQLITE), timeout=LOCK_SECONDS)) as database:
        database.execute(f"PRAGMA analysis_limit={SAMPLED_ROWS}")
        database.execute("ANALYZE")
        database.commit()
