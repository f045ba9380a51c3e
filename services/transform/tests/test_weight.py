"""Rules of weights: a number of at least 0 for each row that counts, beside its label."""

from pathlib import Path

import pyarrow as pa
import pytest
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.manifest import WEIGHT_COLUMN


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reasons(told: EventData) -> dict[str, str]:
    assert isinstance(told, DatasetRejected)
    return {reason.code: reason.message for reason in told.reasons}


def test_the_weight_is_what_the_expression_says_of_each_row(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(weight="distance / 2")))

    for rows in (world.train(told), world.held_out(told)):
        assert rows[WEIGHT_COLUMN].type == pa.float64()
        assert rows[WEIGHT_COLUMN].to_pylist() == [value / 2 for value in rows["distance"].to_pylist()]
    assert world.dataset(told).weighted


def test_without_an_expression_there_are_no_weights(world: World) -> None:
    told = world.tell(a_span(world.store))

    assert WEIGHT_COLUMN not in world.train(told).column_names
    assert not world.dataset(told).weighted


def test_a_weight_moves_no_row_to_the_other_side_of_the_split(world: World) -> None:
    plain = world.tell(a_span(world.store))
    weighted = world.tell(a_span(world.store, spec=a_spec(weight="distance")))

    rows = [world.train(told)["distance"].to_pylist() for told in (plain, weighted)]
    assert rows[0] == rows[1]


def test_columns_of_the_weight_are_never_features(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(weight="distance")))

    left_out = {column.name: column.reason for column in world.dataset(told).left_out}
    assert left_out["distance"] == "The label or the weight is computed from it."


def test_rows_without_a_weight_are_left_out_as_those_without_a_label(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(weight="CASE WHEN distance > 150 THEN 1 END")))

    columns = some_rows()
    rows = zip(columns["distance"], columns["delay"], strict=True)
    counted = sum(distance > 150 and delay is not None for distance, delay in rows)
    assert isinstance(told, DatasetTransformed)
    assert told.rows_train + told.rows_eval == counted
    assert told.rows_unlabelled == ROWS - counted


@pytest.mark.parametrize(
    ("weight", "code", "message"),
    [
        ("distance - 1e9", "label-invalid", "expected weights of at least 0, received -"),
        ("CAST('inf' AS DOUBLE)", "label-invalid", "expected weights of at least 0, received inf"),
        ("carrier", "weight-type", "expected a number as weight, received string"),
        ("nothing * 2", "weight-missing-column", "the weight names ['nothing']"),
        ("random()", "weight-invalid", "expected the same answer every time"),
        ("sum(distance)", "weight-invalid", "expected one answer per row"),
    ],
)
def test_a_weight_that_cannot_be_is_refused_with_its_reason(
    world: World, weight: str, code: str, message: str
) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(weight=weight)))

    assert message in reasons(told)[code]


def test_a_column_with_the_name_of_the_weight_is_rejected(world: World) -> None:
    told = world.tell(
        a_span(world.store, {**some_rows(), WEIGHT_COLUMN: [1.0] * ROWS}, types={WEIGHT_COLUMN: "float"})
    )

    assert list(reasons(told)) == ["reserved-column"]
