"""A controller without its broker: a real bucket, a clock that tests turn, a place to declare things in."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData, event_id
from tidemill_contracts.events import TYPE_NAMES, PipelineDeleted, RetrainRequested
from tidemill_contracts.pipeline import parse_pipeline
from tidemill_controller.declarations import Declarations
from tidemill_controller.handlers import Remember
from tidemill_controller.reconciling import Controller
from tidemill_controller.schedules import Schedules
from tidemill_controller.standings import Standings
from tidemill_controller.telling import LookTeller
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.telling import Cause

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PATIENCE_SECONDS = 20


class Broker:
    """Takes events unless it is away; never those of the pipeline `refused`."""

    def __init__(self) -> None:
        self.is_away = False
        self.refused = ""
        self.asked = 0
        self.while_asked: Callable[[], None] = lambda: None
        self.told: list[EventData] = []

    def tell(self, data: EventData, cause: Cause) -> None:
        assert cause.correlation_id
        self.asked += 1
        self.while_asked()
        if self.is_away or data.subject.split("/")[1] == self.refused:
            raise TimeoutError("the broker does not answer")
        self.told.append(data)

    @property
    def deletions(self) -> list[PipelineDeleted]:
        return [data for data in self.told if isinstance(data, PipelineDeleted)]

    @property
    def requests(self) -> list[str]:
        return [data.request_id for data in self.told if isinstance(data, RetrainRequested)]


class World(ABC):
    """One controller; `restart` puts another in its place."""

    def __init__(self, folder: Path) -> None:
        self.store = FolderStore(folder)
        self.broker = Broker()
        self.now = NOON
        self.seconds = 0.0
        self.restart()

    def restart(self) -> None:
        """Be as a new process that finds bucket and declarations as they are."""
        self.standings = Standings(self.store)
        self.declarations = self.open_declarations()
        tell = LookTeller(self.broker.tell)
        self.controller = Controller(
            self.declarations,
            self.store,
            self.standings,
            Schedules(self.standings, tell, lambda: self.now),
            tell,
            clock=lambda: self.seconds,
        )

    @abstractmethod
    def open_declarations(self) -> Declarations:
        """Open the place, as a new process does."""

    @abstractmethod
    def declare(self, name: str, spec: str) -> None:
        """Declare a pipeline, or change it: `spec` is YAML."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Have a person delete a pipeline."""

    def look(self) -> None:
        """Look once, a minute after the last time: no pause is longer."""
        self.seconds += 61
        self.controller.look()

    def until(self, holds: Callable[[], bool]) -> None:
        """Look until something holds."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, "expected it to hold by now"
            self.look()
            time.sleep(0.05)

    def hear(self, data: EventData, minute: float = 0) -> None:
        """Let an event come, as it was told some minutes after noon."""
        event_type = TYPE_NAMES[type(data)]
        event = Event(
            type=event_type,
            source="/test",
            subject=data.subject,
            data=data,
            id=event_id(event_type, data.subject),
            time=self.now + timedelta(minutes=minute),
            correlation_id="drop",
        )
        assert list(Remember(self.store, self.standings, lambda: None)(event)) == []

    def label(self, name: str) -> str:
        """Return the label by the spec in force; empty where there is none."""
        text = self.store.list(layout.pipeline_spec(name))
        return parse_pipeline(self.store.read(text[0])).spec.label if text else ""
