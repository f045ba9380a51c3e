"""Increasing integers for content addresses, agreed through the bucket alone.

The numbers are TF Serving's version numbers and the order of spans. Two objects say the same thing from both
sides: `NUMBER` holds a key, `keys/KEY` its number. The first decides, for an object can be created only once.
The second makes finding a number one read; every number but the newest is sure to have it, because nobody
takes the next number before it is written.
"""

from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectNotFound, ObjectStore


@dataclass(frozen=True)
class Sequence:
    """The numbers 1, 2, 3, ... of one kind of thing in one pipeline."""

    store: ObjectStore
    name: str
    pipeline: str

    def numbers(self) -> list[int]:
        """Every number given so far, in order."""
        prefix = layout.sequence_entry(self.name, self.pipeline, 0).rpartition("/")[0] + "/"
        entries = (entry.removeprefix(prefix) for entry in self.store.list(prefix))
        return [int(entry) for entry in entries if entry.isdigit()]

    def key(self, number: int) -> str:
        """Return the key that has a number; raise ObjectNotFound when none has."""
        return self.store.read(layout.sequence_entry(self.name, self.pipeline, number)).decode()

    def keys(self) -> dict[int, str]:
        """Every number given so far with its key, in order. Reads each: for windows, not for look-ups."""
        return {number: self.key(number) for number in self.numbers()}

    def allocate(self, key: str) -> int:
        """Return the number of a key, giving it the next one when it has none yet."""
        while True:
            if (number := self._number(key)) is not None:
                return number
            newest = max(self.numbers(), default=0)
            if newest:
                newest_key = layout.sequence_key(self.name, self.pipeline, self.key(newest))
                self.store.create(newest_key, str(newest).encode())
                # Now every number given has its key; before, this one's may have been given and not written.
                if (number := self._number(key)) is not None:
                    return number
            entry = layout.sequence_entry(self.name, self.pipeline, newest + 1)
            self.store.create(entry, key.encode())

    def _number(self, key: str) -> int | None:
        try:
            return int(self.store.read(layout.sequence_key(self.name, self.pipeline, key)))
        except ObjectNotFound:
            return None
