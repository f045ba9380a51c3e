"""Rules of row rules: a row that breaks one is set aside with the reason, counted, and never trained on."""

from pathlib import Path

import pyarrow as pa
import pytest
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_transform.app import load_engine
from tidemill_transform.errors import Unfit
from tidemill_transform.plan import Plan, Report
from tidemill_transform.rules import REASON_COLUMN, RuleCount, check_rows, row_rules

TOLERANT = {"validation": {"maxRejectedShare": 0.5}}
COLUMNS = (
    Column(name="distance", type="int"),
    Column(name="delay", type="float"),
    Column(name="carrier", type="string"),
)
FLIGHTS = pa.RecordBatch.from_pydict(
    {
        "distance": [1400, 0, None, 2**60, 719],
        "delay": [-3.5, None, 12.0, float("inf"), 15.0],
        "carrier": ["UA", "AA", None, "B6", "x" * 90],
    }
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def reasons(**specs: ColumnSpec) -> dict[int, str]:
    """The reason given to each row that is set aside, by the row's place."""
    checked = check_rows(FLIGHTS, row_rules(specs, COLUMNS))
    if checked is None:
        return {}
    places = [place for place, kept in enumerate(checked.kept.to_pylist()) if not kept]
    return dict(zip(places, checked.rejected[REASON_COLUMN].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("column", "rule", "expected"),
    [
        ("distance", ColumnSpec(required=True), {2: "distance: expected a value"}),
        ("distance", ColumnSpec(minimum=1), {1: "distance: expected at least 1, received 0"}),
        ("distance", ColumnSpec(maximum=1400), {3: f"distance: expected at most 1400, received {2**60}"}),
        ("delay", ColumnSpec(minimum=-3.5, maximum=15), {3: "delay: expected at most 15, received inf"}),
        (
            "carrier",
            ColumnSpec(values=("UA", "AA", "x" * 90)),
            {3: f"['UA', 'AA', '{'x' * 90}'], received B6"},
        ),
        ("carrier", ColumnSpec(values=("UA", "AA", "B6")), {4: f"received {'x' * 40}"}),
        ("distance", ColumnSpec(values=("0", "719", "1400")), {3: f"received {2**60}"}),
        ("distance", ColumnSpec(), {}),
    ],
)
def test_a_row_that_breaks_a_rule_says_what_was_expected_and_what_came(
    column: str, rule: ColumnSpec, expected: dict[int, str]
) -> None:
    told = reasons(**{column: rule})

    assert told.keys() == expected.keys()
    for place, reason in expected.items():
        assert reason in told[place]
        assert told[place].endswith(reason[-8:])


def test_a_row_that_breaks_several_rules_gives_every_reason() -> None:
    told = reasons(distance=ColumnSpec(required=True), carrier=ColumnSpec(required=True, values=("UA", "AA")))

    assert told[2] == "distance: expected a value; carrier: expected a value"
    assert told[3] == "carrier: expected one of ['UA', 'AA'], received B6"


@pytest.mark.parametrize(
    ("name", "column_type", "spec", "problem"),
    [
        ("x", "string", ColumnSpec(minimum=1), "minimum of x: its type is string"),
        ("x", "timestamp", ColumnSpec(maximum=1), "maximum of x: its type is timestamp"),
        ("x", "float", ColumnSpec(values=("1.0",)), "values of x: its type is float"),
        ("y", "float", ColumnSpec(required=True), "required of y: no such column is stored"),
    ],
)
def test_a_rule_that_does_not_fit_its_column_is_refused(
    name: str, column_type: ColumnType, spec: ColumnSpec, problem: str
) -> None:
    with pytest.raises(Unfit, match=problem):
        row_rules({name: spec}, [Column(name="x", type=column_type)])


def test_values_that_are_not_stored_in_clear_can_only_be_required() -> None:
    hashed = [Column(name="x", type="string", privacy="hash")]

    assert len(row_rules({"x": ColumnSpec(required=True)}, hashed)) == 1
    with pytest.raises(Unfit, match="values of x: its values are not stored in clear"):
        row_rules({"x": ColumnSpec(values=("secret",))}, hashed)


def test_rows_that_break_rules_lie_beside_the_dataset_and_are_counted(world: World) -> None:
    spec = a_spec(columns={"distance": {"minimum": 30, "maximum": 870}, "delay": {"maximum": 29}}, **TOLERANT)
    told = world.tell(a_span(world.store, spec=spec, row_group_rows=64))

    rejects, kept = world.rejects(told), pa.concat_tables([world.train(told), world.held_out(told)])
    assert isinstance(told, DatasetTransformed)
    rows = zip(some_rows()["distance"], some_rows()["delay"], strict=True)
    broken = {distance for distance, delay in rows if not 30 <= distance <= 870 or (delay or 0) > 29}
    assert set(rejects["distance"].to_pylist()) == broken
    assert told.rows_rejected == rejects.num_rows == len(broken)
    assert told.rows_in == told.rows_train + told.rows_eval + told.rows_unlabelled + told.rows_rejected
    assert not broken & set(kept["distance"].to_pylist())
    assert rejects.column_names == [*some_rows(), REASON_COLUMN]
    assert rejects[REASON_COLUMN][0].as_py() == "distance: expected at least 30, received 0"
    assert world.dataset(told).reject_files[0].startswith("rejects/")


def test_a_window_with_too_many_rows_that_break_rules_is_rejected(world: World) -> None:
    rules = {"carrier": {"required": True}, "distance": {"minimum": 30}}
    spec = a_spec(columns=rules, validation={"maxRejectedShare": 0.3})
    told = world.tell(a_span(world.store, spec=spec))

    assert isinstance(told, DatasetRejected)
    assert told.reasons[0].code == "too-many-rejected-rows"
    assert f"at most 30.00% of rows, received 107 of {ROWS}" in told.reasons[0].message
    assert "100 break required of carrier" in told.reasons[0].message
    assert "10 break minimum of distance" in told.reasons[0].message


def test_rules_are_counted_over_all_parts(world: World) -> None:
    counted: list[tuple[RuleCount, ...]] = []

    def counting(plan: Plan) -> Report:
        report = load_engine()(plan)
        counted.append(report.broken())
        return report

    spec = a_spec(columns={"carrier": {"required": True}, "distance": {"minimum": 30, "maximum": 9000}})
    world.tell(a_span(world.store, spec=spec, row_group_rows=64), counting)

    assert counted == [
        (
            RuleCount(column="carrier", rule="required", rows=100),
            RuleCount(column="distance", rule="minimum", rows=10),
        )
    ]
