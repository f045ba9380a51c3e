"""Rules of tasks: what is learned follows from the label's type, or is said and then holds."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Task
from tidemill_transform.errors import Unfit
from tidemill_transform.label import check_label
from tidemill_transform.task import LABEL_TYPES, WrongLabel, as_labels

DELAYS = pa.schema({"delay": pa.float64(), "hour": pa.int64(), "carrier": pa.string(), "landed": pa.date32()})


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.mark.parametrize(
    ("expression", "wanted", "task"),
    [
        ("delay > 15", None, "binary"),
        ("delay > 15", "multiclass", "multiclass"),
        ("carrier", None, "multiclass"),
        ("carrier::ENUM('UA', 'AA')", None, "multiclass"),
        ("delay", None, "regression"),
        ("delay::DECIMAL(9, 2)", None, "regression"),
        ("delay", "binary", "binary"),
        ("hour", None, "regression"),
        ("hour", "multiclass", "multiclass"),
        ("hour::HUGEINT", "binary", "binary"),
    ],
)
def test_a_label_has_the_task_of_its_type_or_the_wanted_one(
    expression: str, wanted: Task | None, task: Task
) -> None:
    assert check_label(expression, DELAYS, wanted).task == task


@pytest.mark.parametrize(
    ("expression", "wanted", "message"),
    [
        ("landed", None, "expected a label that is true or false, a text or a number, received date32"),
        ("[hour]", None, "received list"),
        (
            "delay",
            "multiclass",
            "expected true or false or a text or a whole number as label of a multiclass",
        ),
        ("delay > 15", "regression", "expected a whole number or a number as label of a regression task"),
        ("carrier", "binary", "received a text"),
    ],
)
def test_a_label_that_does_not_fit_its_task_is_refused(
    expression: str, wanted: Task | None, message: str
) -> None:
    with pytest.raises(Unfit, match=message):
        check_label(expression, DELAYS, wanted)


@pytest.mark.parametrize(
    ("values", "task", "labels"),
    [
        (pa.array([True, None, False]), "binary", [True, None, False]),
        (pa.array([True, None, False]), "multiclass", ["true", None, "false"]),
        (pa.array([0, 1, None]), "binary", [False, True, None]),
        (pa.array([0.0, np.nan, 1.0, None]), "binary", [False, None, True, None]),
        (pa.array([3, -1, None]), "multiclass", ["3", "-1", None]),
        (pa.array(["b", "a", None]).dictionary_encode(), "multiclass", ["b", "a", None]),
        (pa.array([1.5, np.nan, np.inf, -np.inf, None]), "regression", [1.5, None, None, None, None]),
        (pa.array([3, None]), "regression", [3.0, None]),
    ],
)
def test_labels_have_the_type_of_their_task(values: pa.Array, task: Task, labels: list[object]) -> None:
    converted = as_labels(values, task)

    assert converted.type == LABEL_TYPES[task]
    assert converted.to_pylist() == labels


def test_a_number_that_is_neither_0_nor_1_is_no_binary_label() -> None:
    with pytest.raises(WrongLabel, match=r"expected 0 or 1 .* received 0\.5"):
        as_labels(pa.array([0.0, 1.0, 0.5]), "binary")


def test_texts_are_classes(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(label="carrier")))

    assert isinstance(told, DatasetTransformed)
    assert world.dataset(told).task == world.profile(told).label.task == "multiclass"
    train = world.train(told)[LABEL_COLUMN].to_pylist()
    assert world.profile(told).label.classes == (("AA", train.count("AA")), ("UA", train.count("UA")))
    assert told.rows_unlabelled == ROWS // 3


def test_numbers_are_learned_as_they_are(world: World) -> None:
    delays = {**some_rows(), "delay": [None, float("nan"), float("inf"), 1.5, -2.0] * (ROWS // 5)}
    told = world.tell(a_span(world.store, delays, spec=a_spec(label="delay")))

    assert isinstance(told, DatasetTransformed)
    assert told.rows_unlabelled == 3 * ROWS // 5
    assert world.dataset(told).task == "regression"
    assert set(world.train(told)[LABEL_COLUMN].to_pylist()) == {1.5, -2.0}
    numeric = world.profile(told).label.numeric
    assert numeric is not None
    assert (numeric.minimum, numeric.maximum) == (-2.0, 1.5)


def test_numbers_beside_0_and_1_are_told_of_where_they_should_be_classes(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(label="delay", task="binary")))

    assert isinstance(told, DatasetRejected)
    assert [reason.code for reason in told.reasons] == ["label-invalid"]
    assert "expected 0 or 1 as label of a binary task, received 2" in told.reasons[0].message


def test_a_number_that_never_changes_cannot_be_learned(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(label="least(delay, 0)")))

    assert isinstance(told, DatasetRejected)
    assert {reason.code for reason in told.reasons} == {"single-class-label"}


def test_texts_that_are_no_classes_cannot_be_learned(world: World) -> None:
    rows = 1500
    told = world.tell(
        a_span(world.store, some_rows(rows=rows), spec=a_spec(label="distance", task="multiclass"))
    )

    assert isinstance(told, DatasetRejected)
    assert {reason.code for reason in told.reasons} == {"too-many-classes"}
