"""Rules of feature inference: what a model reads, and why it reads nothing else."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
import yaml
from profile_world import FLIGHTS, a_profile, flights, numbers, profile_of, texts

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import ColumnProfile, FeatureKind, Profile
from tidemill_transform.features import Choice, choose


def choice_of(profile: Profile, **spec: Any) -> Choice:
    return choose(profile, PipelineSpec.model_validate({"label": "y", **spec}), (), ())


def some_texts(distinct: int, *, rows: int = 1000, words: float = 1) -> ColumnProfile:
    return texts({"UA": rows}, distinct=distinct, words=words)


def moments(*times: str) -> ColumnProfile:
    points = [datetime.fromisoformat(time).replace(tzinfo=UTC).timestamp() for time in times]
    return numbers(points, kind="timestamp")


def kinds(choice: Choice) -> dict[str, str]:
    return {feature.name: feature.kind for feature in choice.features}


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (numbers(range(10), kind="int"), "numeric"),
        (numbers(range(10), kind="int", distinct=1000), "numeric"),
        (numbers([0.5]), "numeric"),
        (numbers([0, 1], kind="bool", distinct=2), "numeric"),
        (some_texts(50), "categorical"),
        (some_texts(450), "categorical"),
        (some_texts(500), "categorical"),
        (texts({"UA": 400}, nulls=600, distinct=201, words=3), "text"),
        (some_texts(1), "categorical"),
        (some_texts(90, words=5), "categorical"),
        (some_texts(200, words=5), "categorical"),
        (some_texts(300, words=5), "text"),
        (some_texts(990, words=3), "text"),
        (some_texts(120, rows=130, words=3), "text"),
        (moments("2013-01-01", "2013-02-01"), "timestamp"),
    ],
)
def test_a_usable_column_is_a_feature_of_its_kind(column: ColumnProfile, kind: str) -> None:
    choice = choice_of(a_profile(column))

    assert kinds(choice) == {"x": kind}
    assert choice.features[0].options.kind == kind
    assert not choice.left_out
    assert not choice.reasons


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (numbers([], nulls=1000), "no values"),
        (numbers([], infinities=1000), "no values"),
        (texts({}, nulls=1000), "no values"),
        (some_texts(980), "about 980 distinct texts in 1000 rows"),
        (texts({"UA": 300}, nulls=700, distinct=151), "about 151 distinct texts in 300 rows"),
        (some_texts(980, words=2.9), "about 980 distinct texts in 1000 rows"),
    ],
)
def test_an_unusable_column_is_left_out_with_a_reason(column: ColumnProfile, reason: str) -> None:
    choice = choice_of(a_profile(column))

    assert choice.features == ()
    assert reason in choice.left_out[0].reason


@pytest.mark.parametrize(
    ("values", "is_id"),
    [
        ({"user_id": np.arange(200) * 977}, True),
        ({"orderId": np.arange(200) * 977}, True),
        ({"KEY": np.arange(200) * 977}, True),
        ({"user_id": np.arange(100) * 977}, False),
        ({"user_id": np.arange(1000) % 500}, False),
        ({"paid": np.arange(200) * 977}, False),
        ({"PAID": np.arange(200) * 977}, False),
        ({"n": np.arange(3000) * 4 // 3}, True),
        ({"n": 10**7 + np.arange(2000) * 4}, True),
        ({"n": 10**7 + np.arange(2000) * 5}, False),
        ({"n": np.arange(3000) * 4 + 0.0}, False),
        ({"n": np.arange(1999)}, False),
        ({"n": np.append(np.arange(3000), 7)}, False),
        ({"cents": np.random.default_rng(7).integers(100, 10**9, 20_000)}, False),
        ({"seconds": np.random.default_rng(7).integers(0, 86_400, 20_000)}, False),
    ],
)
def test_whole_numbers_that_number_the_rows_are_left_out(values: dict[str, Any], is_id: bool) -> None:  # noqa: FBT001
    choice = choice_of(profile_of(values))

    assert (choice.features == ()) is is_id
    assert not is_id or "distinct whole numbers" in choice.left_out[0].reason


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (some_texts(980), "categorical"),
        (some_texts(5), "text"),
        (numbers(range(10), kind="int"), "categorical"),
        (numbers([0, 1], kind="bool"), "categorical"),
        (numbers(range(3000), name="x_id", kind="int", distinct=1000), "numeric"),
    ],
)
def test_a_kind_that_the_pipeline_names_goes_before_what_the_values_suggest(
    column: ColumnProfile, kind: FeatureKind
) -> None:
    choice = choice_of(a_profile(column), columns={column.name: {"feature": {"kind": kind, "bins": 8}}})

    assert kinds(choice) == {column.name: kind}
    assert choice.features[0].options.bins == 8


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (some_texts(5), "numeric", "expected categorical or text"),
        (numbers([0.5]), "categorical", "expected numeric"),
        (moments("2013-01-01", "2013-02-01"), "numeric", "expected timestamp"),
    ],
)
def test_a_kind_that_a_column_cannot_be_read_as_is_told(
    column: ColumnProfile, kind: FeatureKind, expected: str
) -> None:
    choice = choice_of(a_profile(column), columns={"x": {"feature": {"kind": kind}}})

    assert [reason.code for reason in choice.reasons] == ["kind-does-not-fit"]
    assert expected in choice.reasons[0].message


def test_what_the_label_or_the_pipeline_excludes_is_no_feature_nor_is_what_is_not_stored_in_clear() -> None:
    profile = a_profile(*(numbers([1, 2], name=name) for name in "abcd"))
    spec = PipelineSpec(label="a > 1", leave_out=("b",))

    choice = choose(profile, spec, {"a"}, ["c", "dropped"])

    assert list(kinds(choice)) == ["d"]
    assert {column.name: column.reason for column in choice.left_out} == {
        "a": "The label or the weight is computed from it.",
        "b": "The pipeline leaves it out.",
        "c": "It is restricted: it is not stored in clear.",
        "dropped": "It is restricted: it is not stored in clear.",
    }


@pytest.mark.parametrize(
    ("times", "parts"),
    [
        (("2013-01-01T05:00", "2013-01-09T06:00"), ("weekday", "hour")),
        (("2013-01-01", "2013-01-02"), ("weekday",)),
        (("2013-01-01", "2014-02-04"), ("month",)),
        (("2013-01-01", "2020-01-01T05:00"), ("weekday", "hour")),
        (("2013-01-01T05:01", "2013-01-01T05:02"), ("month", "weekday", "hour")),
    ],
)
def test_of_a_point_in_time_those_parts_are_read_that_vary(
    times: tuple[str, ...], parts: tuple[str, ...]
) -> None:
    (feature,) = choice_of(a_profile(moments(*times))).features

    assert feature.options.parts == parts


def test_parts_of_a_point_in_time_that_the_pipeline_names_are_read_even_if_they_do_not_vary() -> None:
    profile = a_profile(moments("2013-01-01", "2013-01-02"))

    (feature,) = choice_of(profile, columns={"x": {"feature": {"parts": ["year", "day"]}}}).features

    assert feature.options.parts == ("year", "day")


CROSSED = (
    texts({"UA": 9}, name="carrier"),
    texts({"EWR": 9}, name="origin"),
    numbers([1, 2], name="hour", kind="int"),
    texts({}, name="empty", nulls=9),
)


@pytest.mark.parametrize(
    ("cross", "message"),
    [
        (["carrier", "hour"], "hour (numeric)"),
        (["carrier", "empty"], "empty (left out: It has no values in the training rows.)"),
        (["carrier"], "received ['carrier']"),
        (["carrier", "carrier"], "received ['carrier', 'carrier']"),
    ],
)
def test_a_cross_of_anything_but_several_categories_is_told(cross: list[str], message: str) -> None:
    choice = choice_of(a_profile(*CROSSED), crosses=[["carrier", "origin"], cross])

    assert [reason.code for reason in choice.reasons] == ["cross-does-not-fit"]
    assert message in choice.reasons[0].message


def test_a_whole_number_can_be_crossed_once_it_is_declared_a_category() -> None:
    choice = choice_of(
        a_profile(*CROSSED),
        columns={"hour": {"feature": {"kind": "categorical"}}},
        crosses=[["carrier", "hour"], ["carrier", "origin", "hour"]],
    )

    assert choice.reasons == ()


@pytest.mark.parametrize("month", [1, 2])
def test_flights_have_the_same_features_every_month(month: int) -> None:
    spec = PipelineSpec.model_validate(yaml.safe_load((FLIGHTS / "pipeline.yaml").read_text())["spec"])

    choice = choose(flights(month), spec, {"arr_delay"}, ())

    texts = dict.fromkeys(("carrier", "tailnum", "origin", "dest"), "categorical")
    whole = ("month", "day", "sched_dep_time", "sched_arr_time", "flight", "distance", "hour", "minute")
    assert kinds(choice) == {**dict.fromkeys(whole, "numeric"), **texts}
    assert {column.name for column in choice.left_out} == {"arr_delay", *spec.leave_out}
