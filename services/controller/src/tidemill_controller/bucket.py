"""Pipelines declared as objects of the bucket, `pipelines/NAME.yaml`: what is there is in force."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from tidemill_contracts import layout
from tidemill_contracts.pipeline import is_pipeline_name
from tidemill_controller.declarations import Declaration, Report
from tidemill_controller.standings import Standings
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

FOLDER = layout.pipeline_spec("").removesuffix(".yaml")


@dataclass(frozen=True)
class BucketDeclarations:
    """A pipeline that is known, and has no object any more, is one that was deleted."""

    store: ObjectStore
    standings: Standings

    def watch(self, changed: Callable[[], None], stop: threading.Event) -> None:
        """A bucket tells of drops alone: it is looked at again and again."""

    def all(self) -> Sequence[Declaration]:
        known = self.standings.all()
        declared = {name: self._read(name) for name in self._names()}
        present = [
            Declaration(name=name, identity=known[name].identity if name in known else "", text=text)
            for name, text in declared.items()
            if text is not None
        ]
        deleted = [
            Declaration(name=name, identity=standing.identity, text=b"", is_deleted=True)
            for name, standing in known.items()
            if declared.get(name) is None
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

    def _names(self) -> Iterator[str]:
        for path in map(PurePosixPath, self.store.list(FOLDER)):
            if is_pipeline_name(path.stem) and str(path) == layout.pipeline_spec(path.stem):
                yield path.stem

    def _read(self, name: str) -> bytes | None:
        try:
            return self.store.read(layout.pipeline_spec(name))
        except ObjectNotFound:
            return None
