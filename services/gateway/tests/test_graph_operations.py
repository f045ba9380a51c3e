"""What nodes do with values: numbers keep their width, texts stay texts, and what cannot be is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray

from tidemill_contracts.graph_nodes import CombinerNode, Condition, GraphRoute, Made, RouterNode, Step
from tidemill_gateway.errors import Refused
from tidemill_gateway.graphs.operations import combined, constant, holds, made
from tidemill_gateway.graphs.routing import divided, merged

NAN = float("nan")
ROWS = np.arange(4)


def floats(*values: float) -> NDArray[Any]:
    return np.array(values, np.float32)


def texts(*values: str) -> NDArray[Any]:
    return np.array([value.encode() for value in values], object)


def after(value: NDArray[Any], **step: Any) -> NDArray[Any]:
    return made(Made(input="request.x", steps=(Step(**step),)), value)


def mixed(method: Any, *values: NDArray[Any] | None, weights: tuple[float, ...] | None = None) -> list[Any]:
    of = tuple(f"request.x{number}" for number in range(len(values)))
    return list(combined(CombinerNode(kind="combiner", method=method, of=of, weights=weights), values))


def routed(taken: NDArray[Any] | None, *routes: GraphRoute, key: str | None = None) -> dict[str, list[int]]:
    node = RouterNode(kind="router", routes=routes, otherwise="rest", key=key)
    ways = divided(node, {"request.x": taken}, ROWS)
    return {way: positions.tolist() for way, positions in ways.items()}


def when(to: str, **condition: Any) -> GraphRoute:
    return GraphRoute(to=to, when=Condition(input="request.x", **condition))


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        ({"scale": 2}, floats(2, 8)),
        ({"offset": -1}, floats(0, 3)),
        ({"clip": (2, None)}, floats(2, 4)),
        ({"clip": (None, 3)}, floats(1, 3)),
        ({"log": True}, floats(0, 1.3862944)),
        ({"threshold": 4}, np.array([False, True])),
        ({"cast": "int64"}, np.array([1, 4], np.int64)),
        ({"cast": "string"}, texts("1.0", "4.0")),
    ],
    ids=str,
)
def test_a_step_changes_each_value_and_keeps_the_width_of_floats(
    step: dict[str, Any], expected: NDArray[Any]
) -> None:
    value = after(floats(1, 4), **step)

    assert (value.dtype, value.tolist()) == (expected.dtype, expected.tolist())


def test_the_logarithm_of_what_has_none_is_not_a_number() -> None:
    assert np.isnan(after(floats(0, -1), log=True)).all()


def test_whole_numbers_become_floats_when_they_are_scaled() -> None:
    assert after(np.array([3], np.int64), scale=0.5).tolist() == [1.5]


def test_one_value_of_several_a_row_is_picked_or_the_largest_taken() -> None:
    rows = np.array([[0.1, 0.9], [0.7, 0.3]], np.float32)

    assert after(rows, pick=1).tolist() == floats(0.9, 0.3).tolist()
    assert after(rows, largest=True).tolist() == floats(0.9, 0.7).tolist()


@pytest.mark.parametrize(
    ("value", "step", "says"),
    [
        (texts("a"), {"scale": 2}, "expected numbers for scale, received texts"),
        (texts("a"), {"cast": "float32"}, "expected values that can be float32"),
        (texts("maybe"), {"cast": "bool"}, "expected values that can be bool"),
        (floats(NAN), {"cast": "int64"}, "expected values that can be int64"),
        (np.array([2**40]), {"cast": "int32"}, "expected values that can be int32"),
        (floats(1), {"pick": 1}, "expected more than 1 values a row"),
        (floats(1), {"largest": True}, "expected several values a row"),
    ],
    ids=str,
)
def test_a_step_that_does_not_apply_is_refused(value: NDArray[Any], step: dict[str, Any], says: str) -> None:
    with pytest.raises(Refused, match=says):
        after(value, **step)


def test_texts_are_read_as_what_they_say() -> None:
    assert after(texts("1.5", "2"), cast="float32").tolist() == [1.5, 2]
    assert after(texts("true", "false"), cast="bool").tolist() == [True, False]


@pytest.mark.parametrize(
    ("value", "kind"), [(1, np.int64), (True, np.bool_), (0.5, np.float32), ("a", np.object_)]
)
def test_a_constant_has_the_type_that_it_is_written_in(value: Any, kind: ArrayLike) -> None:
    assert constant(value, 2).dtype == kind
    assert len(constant(value, 2)) == 2


def test_combiners_work_value_by_value_and_leave_out_what_was_skipped() -> None:
    low, high = floats(0.25, 1), floats(0.75, 0)

    assert mixed("mean", low, high) == [0.5, 0.5]
    assert mixed("mean", low, high, weights=(1, 3)) == [0.625, 0.25]
    assert mixed("mean", low, None, high, weights=(1, 100, 3)) == [0.625, 0.25]
    assert mixed("median", low, high, floats(0.5, 0.5)) == [0.5, 0.5]
    assert mixed("max", low, high) == [0.75, 1]
    assert mixed("min", low, high) == [0.25, 0]
    assert mixed("first", None, high, low) == [0.75, 0]


def test_the_vote_goes_to_what_most_say_and_among_equals_to_what_was_said_first() -> None:
    one, two, three = texts("a", "x", "p"), texts("b", "y", "q"), texts("b", "x", "r")

    assert mixed("vote", one, two, three) == [b"b", b"x", b"p"]
    assert mixed("vote", one, two, three, weights=(3, 1, 1)) == [b"a", b"x", b"p"]


def test_what_has_not_one_shape_or_is_no_number_is_not_combined() -> None:
    with pytest.raises(Refused, match="expected values of one shape"):
        mixed("mean", floats(1), floats(1, 2))
    with pytest.raises(Refused, match="expected numbers for mean, received texts"):
        mixed("mean", texts("a"), texts("b"))


def test_a_condition_takes_values_and_limits_and_never_what_is_no_number() -> None:
    def answer(value: NDArray[Any], **condition: Any) -> list[bool]:
        truth: list[bool] = holds(Condition(input="request.x", **condition), value).tolist()
        return truth

    assert answer(floats(1, 2, 3, NAN), minimum=2) == [False, True, True, False]
    assert answer(floats(1, 2, 3, NAN), minimum=2, maximum=2) == [False, True, False, False]
    assert answer(texts("UA", "AA"), values=("AA", "B6")) == [False, True]
    assert answer(np.array([True, False]), values=(True,)) == [True, False]


def test_each_row_goes_the_first_way_that_fits() -> None:
    ways = routed(floats(1, 5, 9, NAN), when("small", maximum=5), when("large", minimum=5))

    assert ways == {"small": [0, 1], "large": [2], "rest": [3]}


def test_a_way_without_rows_is_not_asked_and_a_condition_on_what_was_skipped_does_not_hold() -> None:
    assert routed(floats(1, 1, 1, 1), when("large", minimum=5)) == {"rest": [0, 1, 2, 3]}
    assert routed(None, when("large", minimum=5)) == {"rest": [0, 1, 2, 3]}


def test_shares_divide_rows_and_the_same_key_goes_the_same_way() -> None:
    node = RouterNode(
        kind="router", routes=(GraphRoute(share=0.25, to="new"),), otherwise="old", key="request.x"
    )
    keys = texts(*(f"customer-{number % 2000}" for number in range(4000)))

    ways = divided(node, {"request.x": keys}, np.arange(4000))
    new = set(ways["new"].tolist())

    assert 0.2 < len(new) / 4000 < 0.3
    assert all((number in new) == (number + 2000 in new) for number in range(2000))


def test_shares_without_a_key_divide_by_chance() -> None:
    node = RouterNode(kind="router", routes=(GraphRoute(share=0.25, to="new"),), otherwise="old")

    assert 800 < len(divided(node, {}, np.arange(4000))["new"]) < 1200


def test_rows_come_back_in_the_order_in_which_they_were_asked() -> None:
    ways = [
        (np.array([1, 3]), {"y": floats(1, 3)}),
        (np.array([0, 2]), {"y": floats(0, 2), "z": floats(8, 8)}),
    ]

    assert {name: values.tolist() for name, values in merged(ways, None).items()} == {"y": [0, 1, 2, 3]}


@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.lists(st.floats(-5, 5), max_size=5))
def test_every_row_goes_one_way_and_comes_back_where_it_was(rows: list[float], minimums: list[float]) -> None:
    routes = [when(f"way-{number}", minimum=minimum) for number, minimum in enumerate(minimums)]
    node = RouterNode(kind="router", routes=(*routes, when("never", values=("x",))), otherwise="rest")
    values = floats(*rows)

    ways = divided(node, {"request.x": values}, np.arange(len(rows)))
    answers = merged([(positions, {"y": values[positions]}) for positions in ways.values()], None)

    assert sorted(np.concatenate(list(ways.values())).tolist()) == list(range(len(rows)))
    assert all(len(positions) for positions in ways.values())
    assert np.array_equal(answers["y"], values, equal_nan=True)


def test_ways_of_different_types_are_not_merged() -> None:
    with pytest.raises(Refused, match="expected the same type and shape of 'y' of every way"):
        merged([(np.array([0]), {"y": floats(1)}), (np.array([1]), {"y": texts("a")})], None)
