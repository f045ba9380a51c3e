"""Handlers of the events the trainer hears. They persist an intent and return; the driver does the work."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetTransformed
from tidemill_runtime.telling import EventHandler
from tidemill_trainer.trainings import Training, model_id


@dataclass(frozen=True)
class Trainer:
    """`accept` takes a training on for good, at most once per model."""

    accept: Callable[[Training], None]

    def train_model(self, event: Event) -> Iterable[EventData]:
        """Take on the model that a new dataset version determines; its events follow when it is trained."""
        data = cast("DatasetTransformed", event.data)
        self.accept(
            Training(
                pipeline=data.pipeline,
                model_id=model_id(data.dataset_id, data.spec_digest),
                dataset=data.dataset,
                dataset_id=data.dataset_id,
                newest_span=max(data.spans),
                spec_digest=data.spec_digest,
                correlation_id=event.correlation_id,
                causation_id=event.id,
                data_classification=event.data_classification,
                requested=data.requested,
                accepted_at=datetime.now(UTC),
            )
        )
        return ()


def handlers(trainer: Trainer) -> Mapping[type[EventData], EventHandler]:
    """Which event is handled by what."""
    return {DatasetTransformed: trainer.train_model}
