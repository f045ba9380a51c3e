"""Pipelines declared as objects of the bucket, `pipelines/NAME.yaml`: what is there is in force."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from tidemill_contracts import layout
from tidemill_contracts.pipeline import is_pipeline_name
from tidemill_controller.declarations import Declaration, Report
from tidemill_controller.standings import Standings
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

FOLDER = layout.pipeline_spec("").removesuffix(".yaml")
STANDINGS = layout.pipeline_standing("").removesuffix(".json")
# A folder that is being replaced is empty for a moment.
ABSENT_SECONDS = 10


@dataclass
class BucketDeclarations:
    """A pipeline that is known, and has no object for a while, is one that was deleted."""

    store: ObjectStore
    standings: Standings
    clock: Callable[[], float] = time.monotonic
    _missed_at: dict[str, float] = field(default_factory=dict)

    def watch(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """A bucket tells of drops alone: it is looked at again and again."""

    def all(self) -> Sequence[Declaration]:
        known = self.standings.all()
        declared = {name: text for name in self._names() if (text := self._read(name)) is not None}
        present = [
            Declaration(name=name, identity=known[name].identity if name in known else "", text=text)
            for name, text in declared.items()
        ]
        deleted = [
            Declaration(name=name, identity=known[name].identity, text=b"", is_deleted=True)
            for name in self._absent(known.keys() - declared.keys())
        ]
        return [*present, *deleted]

    def enforce(self, declaration: Declaration) -> None:
        """It is in force: it lies in the bucket."""

    def retract(self, declaration: Declaration) -> None:
        """It is out of force already, and may be declared anew by now."""

    def forget(self, declaration: Declaration) -> None:
        """Nothing of it is kept here."""

    def show(self, declaration: Declaration, report: Report) -> None:
        """A file cannot tell: `tidemill status` does."""

    def show_held_up(self, declaration: Declaration, why: str) -> None:
        """The log has it."""

    def is_closing(self) -> bool:
        return False

    def check_ready(self) -> None:
        self.store.list(FOLDER)

    def _absent(self, missing: set[str]) -> list[str]:
        """Name what is missing for a while, by the bucket's own word: one that is away has nothing at all."""
        written = self.store.list(STANDINGS) if missing else []
        absent = {name for name in missing if layout.pipeline_standing(name) in written}
        if absent != missing:
            get_logger().warning("standings-missing", pipelines=sorted(missing - absent))
        now = self.clock()
        self._missed_at = {name: self._missed_at.get(name, now) for name in absent}
        return sorted(name for name, since in self._missed_at.items() if now - since >= ABSENT_SECONDS)

    def _names(self) -> Iterator[str]:
        for path in map(PurePosixPath, self.store.list(FOLDER)):
            if is_pipeline_name(path.stem) and str(path) == layout.pipeline_spec(path.stem):
                yield path.stem

    def _read(self, name: str) -> bytes | None:
        try:
            return self.store.read(layout.pipeline_spec(name))
        except ObjectNotFound:
            return None
