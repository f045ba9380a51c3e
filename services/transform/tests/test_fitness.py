"""Rules of rejection: a window that cannot be trained on says why, with everything that is wrong."""

from pathlib import Path

import pytest
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import ColumnType


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reasons(told: EventData) -> dict[str, str]:
    assert isinstance(told, DatasetRejected), told
    return {reason.code: reason.message for reason in told.reasons}


@pytest.mark.parametrize(
    ("label", "code", "message"),
    [
        ("nowhere > 1", "label-missing-column", "among ['distance', 'carrier', 'delay', 'leak']"),
        ("struct_extract(rows, 'leak') > 1", "label-missing-column", "names ['rows']"),
        ("[delay]", "label-type", "received list"),
        ("delay >", "label-invalid", "syntax error"),
        ("verkauft? = 'ja'", "label-invalid", "are written in double quotes"),
        ("delay > 1, leak > 1", "label-type", "true or false, a text or a number"),
        ("delay > 1), (leak > 1", "label-invalid", "one SQL expression"),
        ("true); SELECT (true", "label-invalid", "one SQL expression"),
        ("true) FROM rows UNION SELECT (true", "label-invalid", "one SQL expression"),
        ("carrier > 15", "label-invalid", "an explicit cast is required"),
        ("carrier::INT > 15", "label-invalid", "Could not convert string 'UA'"),
        ("nothing(delay)", "label-invalid", "nothing does not exist"),
        ("max(delay) > 15", "label-invalid", "one answer per row"),
        ("sum(delay) OVER () > 15", "label-invalid", "window"),
        ("EXISTS (SELECT 1)", "label-invalid", "subquery"),
        ("#1 > 15", "label-invalid", "positional_reference"),
        ("COLUMNS('delay') > 15", "label-invalid", "star"),
        ("random() > 0.5", "label-invalid", "random"),
        ("delay > $1", "label-invalid", "parameter"),
    ],
)
def test_a_label_that_cannot_be_is_rejected(world: World, label: str, code: str, message: str) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(label=label)))

    assert list(reasons(told)) == [code]
    assert message in reasons(told)[code]


def test_everything_wrong_with_a_spec_is_told_at_once(world: World) -> None:
    spec = a_spec(label="[delay]", leaveOut=["leak", "tail"])
    told = world.tell(a_span(world.store, spec=spec))

    assert list(reasons(told)) == ["unknown-column", "label-type"]
    assert "['tail']" in reasons(told)["unknown-column"]
    assert "carrier" in reasons(told)["unknown-column"]


def test_columns_that_are_none_are_told_with_some_that_are_and_the_nearest(world: World) -> None:
    many = {f"c{number:03}": ["x"] * ROWS for number in range(40)}
    spec = a_spec(leaveOut=["leek", "nothing"], slices=[["carier"]])
    types: dict[str, ColumnType] = dict.fromkeys(many, "string")
    told = world.tell(a_span(world.store, {**some_rows(), **many}, types=types, spec=spec))

    assert isinstance(told, DatasetRejected)
    [reason] = told.reasons
    assert "'c015'] and 24 more, slices names ['carier'] (did you mean carrier?)" in reason.message
    assert reason.message.endswith("leaveOut names ['leek', 'nothing'] (did you mean leak?)")
    assert reason.message.count("'delay'") == 1


def test_a_window_with_too_few_labelled_rows_is_rejected(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(validation={"minRows": ROWS})))

    assert list(reasons(told)) == ["too-few-rows"]
    assert f"at least {ROWS} labelled rows" in reasons(told)["too-few-rows"]


def test_a_window_without_labelled_rows_is_rejected(world: World) -> None:
    told = world.tell(a_span(world.store, {**some_rows(), "delay": [None] * ROWS}))

    assert list(reasons(told)) == ["too-few-rows"]


@pytest.mark.parametrize(("label", "only"), [("delay >= 0", "true"), ("delay > 99", "false")])
def test_labels_of_one_class_are_rejected(world: World, label: str, only: str) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(label=label)))

    expected = f"expected different labels, received only {only}"
    assert reasons(told)["single-class-label"].startswith(expected)


def test_a_window_with_nothing_to_learn_from_is_rejected(world: World) -> None:
    told = world.tell(a_span(world.store, spec=a_spec(leaveOut=["leak", "distance", "carrier"])))

    assert "carrier: The pipeline leaves it out." in reasons(told)["no-features"]


def test_a_column_with_the_name_of_the_label_is_rejected(world: World) -> None:
    told = world.tell(
        a_span(world.store, {**some_rows(), LABEL_COLUMN: [True] * ROWS}, types={LABEL_COLUMN: "bool"})
    )

    assert list(reasons(told)) == ["reserved-column"]
