"""Rules of taking a training on: the intent says all that its verdict will need."""

from datetime import UTC, datetime
from pathlib import Path

from trainer_world import a_training

from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetTransformed
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.telling import Cause
from tidemill_trainer.handlers import Trainer
from tidemill_trainer.trainings import Training, Trainings, model_id

TRANSFORMED = DatasetTransformed(
    pipeline="flights",
    spec_digest="spec",
    dataset=3,
    dataset_id="dataset-3",
    spans=(7, 9, 8),
    rows_in=10,
    rows_train=8,
    rows_eval=2,
    rows_unlabelled=0,
    seconds=1,
)


def test_an_intent_is_known_by_its_data_and_follows_from_the_event() -> None:
    accepted: list[Training] = []
    event = Event(
        type="dev.tidemill.dataset.transformed.v1",
        source="/tidemill/transform",
        subject=TRANSFORMED.subject,
        data=TRANSFORMED.model_copy(update={"requested": True}),
        id="event-3",
        time=datetime(2026, 1, 3, tzinfo=UTC),
        correlation_id="drop-9",
        data_classification="restricted",
    )

    told = Trainer(accepted.append).train_model(event)

    (training,) = accepted
    assert list(told) == []
    assert training.model_id == model_id("dataset-3", "spec")
    assert (training.dataset, training.newest_span) == (3, 9)
    assert training.cause == Cause("drop-9", "event-3", "restricted")
    assert training.requested


def test_an_intent_of_before_spans_were_told_counts_its_dataset_as_the_newest_span(tmp_path: Path) -> None:
    store, training = FolderStore(tmp_path), a_training(4)
    old = training.model_dump_json(exclude={"newest_span", "data_classification"})
    store.write(training.name, old.encode())

    read = Trainings(store).read(training.name)

    assert (read.newest_span, read.data_classification) == (4, None)
