"""Increasing integers for content addresses, agreed through the bucket alone.

The numbers are TF Serving's version numbers and the order of spans. Two processes that ask at once get two
answers only for two keys: creating an object that exists fails, and the loser looks again.
"""

from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectStore


@dataclass(frozen=True)
class Sequence:
    """The numbers 1, 2, 3, ... of one kind of thing in one pipeline."""

    store: ObjectStore
    name: str
    pipeline: str

    def keys(self) -> dict[int, str]:
        """Every number given so far, with the key that has it, in order."""
        prefix = layout.sequence_entry(self.name, self.pipeline, 0).rpartition("/")[0] + "/"
        entries = self.store.list(prefix)
        return {int(entry.removeprefix(prefix)): self.store.read(entry).decode() for entry in entries}

    def allocate(self, key: str) -> int:
        """Return the number of a key, giving it the next one when it has none yet."""
        while True:
            taken = self.keys()
            for number, owner in taken.items():
                if owner == key:
                    return number
            number = max(taken, default=0) + 1
            if self.store.create(layout.sequence_entry(self.name, self.pipeline, number), key.encode()):
                return number
