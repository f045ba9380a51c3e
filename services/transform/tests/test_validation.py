"""Rules of validation: the unusual has the name that TensorFlow Data Validation gives it, and a severity."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_world import a_profile, a_report, flights, numbers, profile_of, texts

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import ColumnProfile, LabelProfile
from tidemill_transform.anomalies import blocking
from tidemill_transform.validation import validate

CARRIERS = {"UA": 500, "AA": 300, "DL": 200}


def a_spec(**spec: Any) -> PipelineSpec:
    return PipelineSpec.model_validate({"label": "y", **spec})


def against_schema(column: ColumnProfile, **known: Any) -> list[Anomaly]:
    """What is unusual about a column of which something is known, where there is no earlier data."""
    return list(validate(a_report(a_profile(column)), None, a_spec(columns={"x": known})))


def against_earlier(new: ColumnProfile, old: ColumnProfile, **spec: Any) -> list[Anomaly]:
    """What is unusual about a column of the newest span."""
    newest = a_profile(new, rows=new.rows)
    return list(validate(a_report(newest), a_profile(old, rows=old.rows), a_spec(**spec)))


def between_sides(held_out: ColumnProfile, train: ColumnProfile, **spec: Any) -> list[Anomaly]:
    """What is unusual about a column of the evaluation rows; the newest span is like the training rows."""
    report = a_report(a_profile(train), a_profile(held_out, rows=250))
    return list(validate(report, None, a_spec(**spec)))


def told(anomalies: list[Anomaly]) -> list[tuple[str, str, str]]:
    return [(anomaly.type, anomaly.against, anomaly.severity) for anomaly in anomalies]


@pytest.mark.parametrize(
    ("column", "known", "kind"),
    [
        (numbers([0, 1], kind="int"), {"type": "bool"}, "BOOL_TYPE_INT_NOT_STRING"),
        (numbers([0, 0.5]), {"type": "bool"}, "BOOL_TYPE_UNEXPECTED_FLOAT"),
        (texts(CARRIERS), {"type": "bool"}, "BOOL_TYPE_UNEXPECTED_STRING"),
        (numbers([0, 0.5]), {"type": "int"}, "INT_TYPE_INT_EXPECTED"),
        (texts(CARRIERS), {"type": "int"}, "INT_TYPE_NOT_INT_STRING"),
        (numbers([0], kind="timestamp"), {"type": "float"}, "FLOAT_TYPE_NOT_FLOAT"),
        (texts(CARRIERS), {"type": "float"}, "FLOAT_TYPE_STRING_NOT_FLOAT"),
        (numbers([0], kind="int"), {"type": "string"}, "STRING_TYPE_NOW_INT"),
        (numbers([0]), {"type": "string"}, "STRING_TYPE_NOW_FLOAT"),
        (numbers([0], kind="int"), {"type": "string", "values": ["a"]}, "ENUM_TYPE_INT_NOT_STRING"),
        (numbers([0]), {"type": "string", "values": ["a"]}, "ENUM_TYPE_FLOAT_NOT_STRING"),
        (numbers([0], kind="bool"), {"type": "timestamp"}, "UNEXPECTED_DATA_TYPE"),
        (texts(CARRIERS, nulls=1), {"required": True}, "FEATURE_TYPE_LOW_FRACTION_PRESENT"),
        (texts(CARRIERS), {"values": ["UA", "AA"]}, "ENUM_TYPE_UNEXPECTED_STRING_VALUES"),
        (numbers([-1, 5], kind="int"), {"minimum": 0}, "INT_TYPE_SMALL_INT"),
        (numbers([-1, 5], kind="int"), {"maximum": 4}, "INT_TYPE_BIG_INT"),
        (numbers([-1, 5]), {"minimum": 0}, "FLOAT_TYPE_SMALL_FLOAT"),
        (numbers([-1, 5]), {"maximum": 4}, "FLOAT_TYPE_BIG_FLOAT"),
    ],
)
def test_what_contradicts_the_schema_of_the_pipeline_blocks(
    column: ColumnProfile, known: dict[str, Any], kind: str
) -> None:
    anomalies = against_schema(column, **known)

    assert told(anomalies) == [(kind, "schema", "block")]
    assert [reason.code for reason in blocking(anomalies)] == [kind]
    assert anomalies[0].column == "x"
    assert anomalies[0].message.startswith("expected ")


def test_texts_that_are_none_of_the_known_are_told_with_their_share_of_the_values() -> None:
    others = {f"{place}{'x' * 99}": 50 for place in range(7)}
    column = texts({"UA": 650, **others}, nulls=1000)

    (anomaly,) = against_schema(column, values=["UA"])

    assert (anomaly.measured, anomaly.limit) == (0.35, 0)
    assert f"received '0{'x' * 39}', " in anomaly.message
    assert f"'4{'x' * 39}' and 2 others in 35.00% of the values" in anomaly.message


def test_five_unknown_texts_are_all_told() -> None:
    (anomaly,) = against_schema(texts(dict.fromkeys("abcde", 200)), values=["UA"])

    assert "received 'a', 'b', 'c', 'd', 'e' in 100.00% of the values" in anomaly.message


def test_the_share_of_rows_that_have_a_value_is_told_and_that_of_values_that_come_again() -> None:
    (missing,) = against_schema(numbers([1], rows=1000, nulls=250), required=True)
    (again,) = against_schema(numbers([1]).model_copy(update={"repeated_share": 0.25}), unique=True)

    assert (missing.measured, missing.limit) == (0.75, 1)
    assert (again.measured, again.limit) == (0.25, 0)


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (numbers([0, 1], kind="int"), {"type": "float", "minimum": 0, "maximum": 1}),
        (numbers([0, 1], kind="bool"), {"type": "int"}),
        (texts(CARRIERS), {"type": "string", "required": True, "values": ["UA", "AA", "DL", "WN"]}),
        (texts(CARRIERS, nulls=9), {"type": "string"}),
        (texts({}, nulls=1000), {"values": ["UA"], "minimum": 0}),
    ],
)
def test_what_keeps_the_schema_of_the_pipeline_is_not_told(
    column: ColumnProfile, known: dict[str, Any]
) -> None:
    assert against_schema(column, **known) == []


@pytest.mark.parametrize("repeated", [1, 5000])
def test_a_value_that_comes_twice_where_it_may_not_is_told(repeated: int) -> None:
    values = np.append(np.arange(7000), np.arange(repeated))
    report = a_report(profile_of({"x": values}))

    anomalies = validate(report, None, a_spec(columns={"x": {"unique": True}}))

    # One value in 7,000 is found only by chance: the sketch keeps 4,096 of them.
    assert [anomaly.type for anomaly in anomalies] in ([], ["FEATURE_TYPE_LOW_UNIQUE"])
    assert anomalies or repeated == 1


def test_values_that_differ_are_unique() -> None:
    report = a_report(profile_of({"x": np.arange(7000)}))

    assert validate(report, None, a_spec(columns={"x": {"unique": True}})) == ()


def test_a_declared_column_that_is_not_there_is_told_unless_it_is_not_stored() -> None:
    report, spec = a_report(a_profile()), a_spec(columns={"x": {"type": "int"}, "y": {"privacy": "drop"}})

    anomalies = validate(report, None, spec, restricted=["y"])

    assert told([*anomalies]) == [("SCHEMA_MISSING_COLUMN", "schema", "warn")]
    assert anomalies[0].column == "x"


RULES = [
    ("required", "string", "FEATURE_TYPE_LOW_FRACTION_PRESENT"),
    ("values", "string", "ENUM_TYPE_UNEXPECTED_STRING_VALUES"),
    ("minimum", "int", "INT_TYPE_SMALL_INT"),
    ("maximum", "int", "INT_TYPE_BIG_INT"),
    ("minimum", "float", "FLOAT_TYPE_SMALL_FLOAT"),
    ("maximum", "float", "FLOAT_TYPE_BIG_FLOAT"),
]


@pytest.mark.parametrize(("rule", "kind", "name"), RULES)
@pytest.mark.parametrize(("rows", "severity"), [(10, "warn"), (100, "warn"), (101, "block")])
def test_rows_that_break_a_rule_are_told_and_block_when_they_are_too_many(
    rule: str, kind: Any, name: str, rows: int, severity: str
) -> None:
    column = texts(CARRIERS) if kind == "string" else numbers([1], kind=kind)
    broken = ({"column": "x", "rule": rule, "rows": rows},)
    report = a_report(a_profile(column), rows_read=2000, rows_rejected=rows, broken=broken)

    (anomaly,) = validate(report, None, a_spec())

    assert (anomaly.type, anomaly.column, anomaly.severity) == (name, "x", severity)
    assert (anomaly.measured, anomaly.limit) == (rows / 2000, 0.05)


@pytest.mark.parametrize(
    ("new", "old", "kind"),
    [
        (texts(CARRIERS, nulls=1), texts(CARRIERS), "FEATURE_TYPE_LOW_FRACTION_PRESENT"),
        (texts({}, nulls=1000), texts(CARRIERS), "FEATURE_TYPE_NOT_PRESENT"),
        (texts(CARRIERS, name="y"), texts(CARRIERS), "SCHEMA_MISSING_COLUMN"),
        (texts({**CARRIERS, "WN": 20}), texts(CARRIERS), "ENUM_TYPE_UNEXPECTED_STRING_VALUES"),
        (texts(CARRIERS), numbers([1]), "FLOAT_TYPE_STRING_NOT_FLOAT"),
        (numbers([1, 2], infinities=1), numbers([1, 2]), "FLOAT_TYPE_HAS_INF"),
        (texts(CARRIERS), texts({}, nulls=1000), "COMPARATOR_CONTROL_DATA_MISSING"),
        (texts({"a": 1000}, distinct=900), texts({"a": 1000}, distinct=300), "FEATURE_TYPE_HIGH_UNIQUE"),
        (texts({"UA": 600, "AA": 400}), texts({"UA": 200, "AA": 800}), "COMPARATOR_L_INFTY_HIGH"),
        (numbers([9]), numbers([1]), "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"),
        (numbers([1], nulls=500), numbers([1], nulls=100), "COMPARATOR_L_INFTY_HIGH"),
    ],
)
def test_what_differs_from_earlier_data_is_a_warning(
    new: ColumnProfile, old: ColumnProfile, kind: str
) -> None:
    anomalies = against_earlier(new, old)

    expected = [(kind, "drift", "warn")]
    if new.name != old.name:
        expected.append(("SCHEMA_NEW_COLUMN", "drift", "warn"))
    assert told(anomalies) == expected
    assert blocking(anomalies) == ()


@pytest.mark.parametrize(
    ("new", "old"),
    [
        (texts({**CARRIERS, "WN": 10}), texts(CARRIERS)),
        (texts({**CARRIERS, "WN": 20}), texts({**CARRIERS, **{f"{n}": 12 for n in range(100)}})),
        (texts({"UA": 500, "AA": 500}), texts({"UA": 200, "AA": 800})),
        (numbers([1], nulls=400), numbers([1], nulls=100)),
        (numbers([9], kind="timestamp"), numbers([1], kind="timestamp")),
        (
            numbers(range(9000, 9900), name="id", kind="int", distinct=950),
            numbers([1], name="id", kind="int", distinct=990),
        ),
        (
            numbers([1], name="id", kind="int"),
            numbers(range(9000, 9900), name="id", kind="int", distinct=950),
        ),
        (texts({}, nulls=1000), texts({}, nulls=1000)),
        (texts({}, nulls=1000, name="y"), texts({}, nulls=1000)),
        (numbers([1, 2], infinities=9), numbers([1, 2], infinities=9)),
        (numbers([1, 2], kind="int"), numbers([1, 2])),
    ],
)
def test_what_is_usual_in_new_data_is_not_told(new: ColumnProfile, old: ColumnProfile) -> None:
    assert against_earlier(new, old) == []


def test_infinite_numbers_are_told_where_there_is_no_earlier_data() -> None:
    assert told(against_schema(numbers([1, 2], infinities=1))) == [("FLOAT_TYPE_HAS_INF", "schema", "warn")]


@pytest.mark.parametrize(
    ("held_out", "train", "kind"),
    [
        (texts({}, nulls=250), texts(CARRIERS), "COMPARATOR_TREATMENT_DATA_MISSING"),
        (texts(CARRIERS), texts({}, nulls=1000), "COMPARATOR_CONTROL_DATA_MISSING"),
        (texts({"UA": 100, "AA": 900}), texts(CARRIERS), "COMPARATOR_L_INFTY_HIGH"),
        (numbers([9]), numbers([1]), "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"),
        (
            numbers([9], kind="timestamp", nulls=500),
            numbers([1], kind="timestamp"),
            "COMPARATOR_L_INFTY_HIGH",
        ),
    ],
)
def test_what_differs_between_the_sides_of_the_split_is_a_warning(
    held_out: ColumnProfile, train: ColumnProfile, kind: str
) -> None:
    assert told(between_sides(held_out, train)) == [(kind, "skew", "warn")]


@pytest.mark.parametrize(("rows", "is_compared"), [(49, False), (50, True)])
def test_few_rows_are_not_compared(rows: int, is_compared: bool) -> None:  # noqa: FBT001
    some, other = texts({"a": rows}), texts({"b": 1000})
    report = a_report(a_profile(other), a_profile(some, rows=rows), a_profile(some, rows=rows))

    anomalies = validate(report, a_profile(other), a_spec())

    high = {anomaly.against for anomaly in anomalies if anomaly.type == "COMPARATOR_L_INFTY_HIGH"}
    assert high == ({"drift", "skew"} if is_compared else set())


def test_hashes_are_unique_as_their_values_are() -> None:
    profile = profile_of({"x": ["a", "a", *map(str, range(98))]})
    spec = a_spec(columns={"x": {"unique": True, "type": "int"}})

    anomalies = validate(a_report(profile), None, spec, restricted=["x"])

    assert told([*anomalies]) == [("FEATURE_TYPE_LOW_UNIQUE", "schema", "block")]
    assert "'a'" not in anomalies[0].message


@pytest.mark.parametrize(("values", "is_chance"), [(39, True), (40, False)])
def test_values_that_are_on_one_side_only_may_be_chance_if_they_are_few(values: int, is_chance: bool) -> None:  # noqa: FBT001
    """Of 40 in 1,000 training rows, 10 would be expected in 250 evaluation rows."""
    anomalies = between_sides(texts({}, nulls=250), texts({"UA": values}, nulls=1000 - values))

    assert (anomalies == []) is is_chance


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["COMPARATOR_L_INFTY_HIGH"]),
        ({"validation": {"drift": {"lInfinity": 0.5}}}, []),
        ({"validation": {"drift": {"lInfinity": None}}}, []),
        ({"columns": {"x": {"maxDrift": 0.5}}}, []),
        (
            {"validation": {"drift": {"lInfinity": None}}, "columns": {"x": {"maxDrift": 0.3}}},
            ["COMPARATOR_L_INFTY_HIGH"],
        ),
        ({"leaveOut": ["x"]}, []),
        ({"leaveOut": ["x"], "columns": {"x": {"maxDrift": 0.3}}}, ["COMPARATOR_L_INFTY_HIGH"]),
        ({"validation": {"skew": {"lInfinity": None}}}, ["COMPARATOR_L_INFTY_HIGH"]),
    ],
)
def test_the_limit_of_drift_is_that_of_the_column_or_else_of_all(spec: Any, expected: list[str]) -> None:
    anomalies = against_earlier(texts({"UA": 600, "AA": 400}), texts({"UA": 200, "AA": 800}), **spec)

    assert [anomaly.type for anomaly in anomalies] == expected


def test_shares_of_missing_values_are_told() -> None:
    (anomaly,) = against_earlier(numbers([1], nulls=500), numbers([1], nulls=100))

    assert (anomaly.measured, anomaly.limit) == (0.4, 0.3)
    assert "received 50.00% in the newest span and 10.00% in earlier data" in anomaly.message


def test_a_distance_is_told_with_its_limit_and_what_differs_most() -> None:
    (anomaly,) = against_earlier(texts({"UA": 600, "AA": 400}), texts({"UA": 100, "AA": 800, "WN": 100}))

    assert (anomaly.measured, anomaly.limit) == (0.5, 0.3)
    assert "a distance of 0.500, most of all in 'UA'" in anomaly.message


@pytest.mark.parametrize("kind", ["binary", "regression"])
def test_labels_that_drift_are_told(kind: str) -> None:
    labels = {
        "binary": [
            LabelProfile(task="binary", classes=(("false", n), ("true", 1000 - n))) for n in (200, 600)
        ],
        "regression": [LabelProfile(task="regression", numeric=numbers([n]).numeric) for n in (2, 6)],
    }
    newest, baseline = (a_profile(label=label) for label in labels[kind])

    (anomaly,) = validate(a_report(newest), baseline, a_spec())

    assert (anomaly.column, anomaly.against, anomaly.severity) == (LABEL_COLUMN, "drift", "warn")


@pytest.mark.parametrize(
    ("train", "held_out", "wanted", "expected"),
    [
        (800, 200, 0.2, []),
        (900, 100, 0.2, []),
        (901, 99, 0.2, ["COMPARATOR_LOW_NUM_EXAMPLES"]),
        (600, 400, 0.2, []),
        (599, 401, 0.2, ["COMPARATOR_HIGH_NUM_EXAMPLES"]),
        (150, 850, 0.7, []),
        (149, 851, 0.7, ["COMPARATOR_HIGH_NUM_EXAMPLES"]),
    ],
)
def test_a_split_into_sides_of_other_sizes_than_wanted_is_told(
    train: int, held_out: int, wanted: float, expected: list[str]
) -> None:
    report = a_report(a_profile(rows=train), a_profile(rows=held_out), a_profile())

    anomalies = validate(report, None, a_spec(split={"evalShare": wanted}))

    assert [anomaly.type for anomaly in anomalies] == expected


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((("a", 98), ("b", 2)), None),
        (
            (("a", 99), ("b", 1)),
            "expected at least 2 evaluation rows of every class, received fewer of 1: 'b'",
        ),
        ((("a", 100),), "expected at least 2 evaluation rows of every class, received fewer of 1: 'b'"),
    ],
)
def test_a_class_with_hardly_a_row_on_one_side_is_a_warning(classes: Any, message: str | None) -> None:
    train = a_profile(label=LabelProfile(task="multiclass", classes=(("a", 900), ("b", 100))))
    held_out = a_profile(rows=250, label=LabelProfile(task="multiclass", classes=classes))

    anomalies = validate(a_report(train, held_out), None, a_spec())

    assert [anomaly.message for anomaly in anomalies] == ([] if message is None else [message])
    for anomaly in anomalies:
        assert anomaly.type == "FEATURE_TYPE_LOW_NUMBER_PRESENT"
        assert (anomaly.measured, anomaly.limit) == (dict(classes).get("b", 0), 2)


@pytest.mark.parametrize(
    ("rows", "expected"), [(0, ["NO_DATA_IN_SPAN"]), (49, ["DATASET_LOW_NUM_EXAMPLES"]), (50, [])]
)
def test_a_span_with_hardly_a_row_is_told(rows: int, expected: list[str]) -> None:
    newest = a_profile(texts({"UA": rows}), rows=rows)

    anomalies = validate(a_report(a_profile(), newest=newest), a_profile(texts({"UA": 1000})), a_spec())

    found = [anomaly for anomaly in anomalies if anomaly.column is None]
    assert told(found) == [(kind, "drift", "warn") for kind in expected]


def test_the_pipeline_may_say_what_an_anomaly_does() -> None:
    spec = {
        "columns": {"x": {"maximum": 4}},
        "validation": {
            "severities": {
                "FLOAT_TYPE_BIG_FLOAT": "warn",
                "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH": "block",
                "FEATURE_TYPE_LOW_FRACTION_PRESENT": "ignore",
            }
        },
    }
    anomalies = against_earlier(numbers([5], nulls=1), numbers([1]), **spec)

    assert told(anomalies) == [
        ("COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH", "drift", "block"),
        ("FLOAT_TYPE_BIG_FLOAT", "schema", "warn"),
    ]


def test_values_of_restricted_columns_are_neither_judged_nor_told() -> None:
    new, old = texts({"secret": 999}, nulls=1), texts({"hidden": 1000})
    report = a_report(a_profile(new), a_profile(texts({"else": 1000}), rows=250))

    anomalies = validate(report, a_profile(old), a_spec(columns={"x": {"type": "int"}}), restricted=["x"])

    assert told([*anomalies]) == [("FEATURE_TYPE_LOW_FRACTION_PRESENT", "drift", "warn")]


def columns() -> Iterator[st.SearchStrategy[Any]]:
    finite = st.floats(-1e6, 1e6)
    yield st.lists(st.none() | finite | st.just(np.inf), min_size=60, max_size=60)
    yield st.lists(st.none() | st.integers(-5, 5), min_size=60, max_size=60)
    yield st.lists(st.none() | st.sampled_from(["a", "b", "c", "d e f"]), min_size=60, max_size=60)
    yield st.lists(st.none() | st.booleans(), min_size=60, max_size=60)


@settings(max_examples=60, deadline=None)
@given(st.one_of(*columns()))
def test_a_profile_has_no_anomalies_against_itself(values: list[Any]) -> None:
    profile = profile_of({"x": values}) if any(v is not None for v in values) else a_profile()
    held_out = profile_of({"x": values * 1}) if profile.columns else a_profile(rows=250)
    severities = {"FLOAT_TYPE_HAS_INF": "ignore", "COMPARATOR_HIGH_NUM_EXAMPLES": "ignore"}

    anomalies = validate(a_report(profile, held_out), profile, a_spec(validation={"severities": severities}))

    assert anomalies == ()


def test_a_month_of_flights_is_like_the_one_before_it_but_for_its_number() -> None:
    january, february = flights(1), flights(2)
    leave_out = ("dep_time", "dep_delay", "arr_time", "air_time", "time_hour", "year")

    anomalies = validate(a_report(february), january, a_spec(leaveOut=leave_out))

    high = [anomaly for anomaly in anomalies if anomaly.type.startswith("COMPARATOR")]
    assert [(anomaly.column, anomaly.severity) for anomaly in high] == [("month", "warn")]
    assert blocking(anomalies) == ()
