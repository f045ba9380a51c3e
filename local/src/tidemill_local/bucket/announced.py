"""Which generation of each object has been announced, kept over restarts."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path


class Announced:
    """The generation last announced of each object, in a SQLite file of its own."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # Losing the last entries with the power means announcing them twice, which is allowed.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS announced (name TEXT PRIMARY KEY, generation INTEGER NOT NULL)"
        )
        rows = self._database.execute("SELECT name, generation FROM announced")
        self._generations: dict[str, int] = dict(rows.fetchall())

    def generation(self, name: str) -> int | None:
        """Return the generation last announced of an object, None when none was."""
        return self._generations.get(name)

    def names(self) -> Iterable[str]:
        """Every object known."""
        return self._generations.keys()

    def remember(self, name: str, generation: int) -> None:
        """Record that a generation was announced; a killed process has not forgotten it."""
        self._database.execute(
            "INSERT INTO announced VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET generation = excluded.generation",
            (name, generation),
        )
        self._generations[name] = generation

    def forget(self, name: str) -> None:
        """Drop an object that was deleted, so that its next generation replaces nothing."""
        self._database.execute("DELETE FROM announced WHERE name = ?", (name,))
        self._generations.pop(name, None)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
