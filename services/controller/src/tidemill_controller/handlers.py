"""What happens when something happened to a pipeline: it is remembered, in order, once. Idempotent."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import EVENT_TYPES
from tidemill_controller.facts import Fact, fact_of, fold
from tidemill_controller.standings import Standing, Standings
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.telling import EventHandler


@dataclass(frozen=True)
class Remember:
    """Takes in every event; of pipelines that are not declared, nothing is remembered."""

    store: ObjectStore
    standings: Standings
    changed: Callable[[], None]

    def __call__(self, event: Event) -> Iterable[EventData]:
        """Handle any event about data or models."""
        fact = fact_of(event)
        pipeline = getattr(event.data, "pipeline", None)
        if fact is None or pipeline is None or not self._is_known(pipeline):
            return ()
        if self.standings.change(pipeline, lambda standing: _with(standing, fact)):
            self.changed()
        return ()

    def _is_known(self, pipeline: str) -> bool:
        if self.standings.get(pipeline) is not None:
            return True
        # A file may be dropped right after its spec, before anybody looked at that.
        try:
            self.store.stat(layout.pipeline_spec(pipeline))
        except ObjectNotFound:
            return False
        self.standings.know(pipeline)
        return True


def _with(standing: Standing, fact: Fact) -> Standing:
    if standing.began and fact.time < standing.began:
        return standing
    return standing.model_copy(update={"facts": fold(standing.facts, fact)})


def handlers(remember: Remember) -> dict[type[EventData], EventHandler]:
    """Every event is handled alike, also one that says nothing to a person."""
    return dict.fromkeys(EVENT_TYPES.values(), remember)
