"""Increasing integers for content addresses, agreed through the bucket alone.

The numbers are TF Serving's version numbers and the order of spans. Two objects say the same thing from both
sides: `NUMBER` holds a key, `keys/KEY` its number. The first decides, for an object can be created only once.
The second makes finding a number one read; every number but the newest is sure to have it, because nobody
takes the next number before it is written.

Every hundredth number is marked, so that the newest is found without listing all of them. A mark that is old
makes that slower, and without one all numbers are listed; neither makes it wrong.
"""

from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

MARKED_EVERY = 100


@dataclass(frozen=True)
class Sequence:
    """The numbers 1, 2, 3, ... of one kind of thing in one pipeline."""

    store: ObjectStore
    name: str
    pipeline: str

    def numbers(self) -> list[int]:
        """Every number given so far, in order. Lists each: for windows, not for look-ups."""
        return self._listed(self._folder)

    def newest(self) -> int:
        """The number given last, 0 before the first."""
        newest = first = self._read(layout.sequence_mark(self.name, self.pipeline))
        if newest is None or first is None:
            return max(self.numbers(), default=0)
        while numbers := self._listed(self._entry(first)[:-2]):
            newest, first = numbers[-1], first + MARKED_EVERY
            if newest < first - 1:
                break
        return newest

    def newest_before(self, limit: int) -> int:
        """The highest number below `limit`, 0 when there is none. Looks from there down, over gaps."""
        digits = 2
        while True:
            below = [number for number in self._listed(self._entry(limit - 1)[:-digits]) if number < limit]
            if below or 10**digits >= limit:
                return max(below, default=0)
            digits += 1

    def key(self, number: int) -> str:
        """Return the key that has a number; raise ObjectNotFound when none has."""
        return self.store.read(self._entry(number)).decode()

    def keys(self) -> dict[int, str]:
        """Every number given so far with its key, in order. Reads each: for windows, not for look-ups."""
        return {number: self.key(number) for number in self.numbers()}

    def allocate(self, key: str) -> int:
        """Return the number of a key, giving it the next one when it has none yet."""
        while (number := self._number(key)) is None:
            newest = self.newest()
            if newest and self._number(newest_key := self.key(newest)) is None:
                self._note(newest_key, newest)
            # Now every number given has its key; before, this one's may have been given and not written.
            if (number := self._number(key)) is not None:
                break
            if self.store.create(self._entry(newest + 1), key.encode()):
                self._note(key, newest + 1)
        return number

    def _note(self, key: str, number: int) -> None:
        self.store.create(layout.sequence_key(self.name, self.pipeline, key), str(number).encode())
        if number % MARKED_EVERY == 0:
            self.store.write(layout.sequence_mark(self.name, self.pipeline), str(number).encode())

    def _number(self, key: str) -> int | None:
        return self._read(layout.sequence_key(self.name, self.pipeline, key))

    def _read(self, name: str) -> int | None:
        try:
            return int(self.store.read(name))
        except ObjectNotFound:
            return None

    def _listed(self, prefix: str) -> list[int]:
        """List the numbers whose objects' names begin so."""
        entries = (entry.removeprefix(self._folder) for entry in self.store.list(prefix))
        return [int(entry) for entry in entries if entry.isdigit()]

    @property
    def _folder(self) -> str:
        return self._entry(0).rpartition("/")[0] + "/"

    def _entry(self, number: int) -> str:
        return layout.sequence_entry(self.name, self.pipeline, number)
