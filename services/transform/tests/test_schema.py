"""Rules of the inferred schema: it says what holds of the data, and can be pasted into a pipeline's spec."""

from textwrap import indent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_world import a_profile, a_report, numbers, profile_of, texts

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.pipeline import parse_pipeline
from tidemill_contracts.profile import ColumnProfile
from tidemill_transform.schema import MAX_VALUES, infer_schema, to_yaml
from tidemill_transform.validation import validate

SPEC = """
metadata: {name: flights}
spec:
  label: y
"""


def inferred(*columns: ColumnProfile) -> ColumnSpec:
    return infer_schema(*(a_profile(column) for column in columns))["x"]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ([numbers([1], kind="int")], ColumnSpec(type="int", required=True)),
        ([numbers([1], nulls=1)], ColumnSpec(type="float")),
        ([numbers([1]), numbers([1], nulls=1)], ColumnSpec(type="float")),
        ([numbers([0, 1], kind="bool")], ColumnSpec(type="bool", required=True)),
        ([numbers([], nulls=1000)], ColumnSpec()),
        ([texts({"b": 11, "a": 9}, nulls=1)], ColumnSpec(type="string", values=("a", "b"))),
        ([texts({"b": 10}), texts({"a": 10})], ColumnSpec(type="string", required=True, values=("a", "b"))),
        ([texts({"b": 10, "a": 9})], ColumnSpec(type="string", required=True)),
        ([texts({"b": 10, "a": 9}, nulls=9)], ColumnSpec(type="string")),
        ([texts({"b": 2000}, distinct=2)], ColumnSpec(type="string", required=True)),
        ([texts({str(n): 10 for n in range(MAX_VALUES + 1)})], ColumnSpec(type="string", required=True)),
    ],
)
def test_types_presence_and_few_texts_are_inferred(
    columns: list[ColumnProfile], expected: ColumnSpec
) -> None:
    assert inferred(*columns) == expected


def test_of_a_column_that_is_not_stored_in_clear_only_that_is_told() -> None:
    schema = infer_schema(a_profile(texts({"secret": 1000})), privacy={"x": "hash", "y": "drop"})

    assert schema == {"x": ColumnSpec(privacy="hash"), "y": ColumnSpec(privacy="drop")}


def test_nothing_is_required_where_rows_without_a_label_may_lack_it() -> None:
    schema = infer_schema(a_profile(numbers([1])), all_labelled=False)

    assert schema["x"] == ColumnSpec(type="float")


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        NAMES,
        st.lists(
            st.sampled_from(["yes", "1", "", "~", "#", "a: b", "\x85\u2028", "2013-01-01"]),
            min_size=60,
            max_size=60,
        )
        | st.lists(st.integers(0, 3), min_size=60, max_size=60)
        | st.lists(st.none() | st.floats(0, 3), min_size=60, max_size=60),
        min_size=1,
        max_size=4,
    )
)
def test_a_schema_can_be_pasted_into_a_spec_and_the_same_data_keeps_it(values: dict[str, Any]) -> None:
    profile = profile_of(values)
    schema = infer_schema(profile)

    spec = parse_pipeline(SPEC + indent(to_yaml(schema), "  ", lambda _: True)).spec

    assert spec.columns == schema
    held_out = profile.model_copy(update={"rows": 15})
    assert validate(a_report(profile, held_out), profile, spec) == ()


def test_a_schema_reads_like_one_that_a_person_wrote() -> None:
    profile = a_profile(texts({"UA": 600, "AA": 400}, name="carrier"), numbers([1], name="delay", nulls=1))

    assert to_yaml(infer_schema(profile)) == (
        "columns:\n"
        "  carrier:\n"
        "    type: string\n"
        "    required: true\n"
        "    values: [AA, UA]\n"
        "  delay: {type: float}\n"
    )
