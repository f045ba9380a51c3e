"""Rules of the graph: what each kind of column becomes, and that no row depends on another."""

from dataclasses import dataclass

import numpy as np
import pytest
from every_kind import FEATURES, every_kind
from hypothesis import given, settings
from served_requests import served_requests

from tidemill_trainer.data import Columns, TrainingData, dtype_of, missing
from tidemill_trainer.preprocessing.encoded import Encoded, encode_rows
from tidemill_trainer.preprocessing.graph import Preprocessor
from tidemill_trainer.preprocessing.plan import Plan, make_plan


@dataclass(frozen=True)
class Reader:
    """The graph of a plan, asked for one row at a time."""

    plan: Plan
    preprocessor: Preprocessor

    def row(self, values: dict[str, float | str]) -> Encoded:
        """Read one row, in which all else is missing."""
        columns = {feature.name: missing(dtype_of(feature), 1) for feature in FEATURES}
        for name, value in values.items():
            columns[name][0] = value
        return self.preprocessor.encode(columns)

    def number(self, title: str, values: dict[str, float | str]) -> float:
        return float(self.row(values).numbers[0, self.plan.number_titles.index(title)])

    def id_of(self, title: str, values: dict[str, float | str]) -> int:
        return int(self.row(values).ids[0, self.plan.id_titles.index(title)])

    def vocabulary(self, title: str) -> tuple[str, ...]:
        return self.plan.categories[self.plan.id_titles.index(title)].vocabulary


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return every_kind()


@pytest.fixture(scope="module")
def reader(data: TrainingData) -> Reader:
    plan = make_plan(data)
    return Reader(plan, Preprocessor(plan))


def assert_same(one: Encoded, other: Encoded) -> None:
    for values, others in zip(one, other, strict=True):
        assert values.dtype == others.dtype
        np.testing.assert_array_equal(values, others)


@settings(max_examples=40, deadline=None)
@given(served_requests(FEATURES))
def test_a_batch_gives_what_its_rows_give(reader: Reader, columns: Columns) -> None:
    rows = len(columns["note"])
    alone = [
        reader.preprocessor.encode({name: values[row : row + 1] for name, values in columns.items()})
        for row in range(rows)
    ]

    whole = reader.preprocessor.encode(columns)

    assert_same(whole, Encoded(*(np.concatenate(parts) for parts in zip(*alone, strict=True))))


def test_plain_columns_are_read_without_tensorflow_as_the_graph_reads_them() -> None:
    data = every_kind(plain=True)
    plan = make_plan(data)

    assert plan.is_plain
    assert_same(encode_rows(plan, data.train), Preprocessor(plan).encode(data.train.columns()))


def test_rows_are_read_in_batches_as_they_are_at_once(
    data: TrainingData, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tidemill_trainer.preprocessing.encoded.BATCH_ROWS", 100)

    assert_same(encode_rows(reader.plan, data.train), reader.preprocessor.encode(data.train.columns()))


@pytest.mark.parametrize(
    ("sent", "read"),
    [(7.5, 7.5), (4.0, 5.0), (21.0, 20.0), (-np.inf, np.nan), (np.inf, np.nan), (np.nan, np.nan)],
)
def test_a_number_beyond_the_clip_becomes_its_end_and_infinity_is_missing(
    reader: Reader, sent: float, read: float
) -> None:
    np.testing.assert_equal(reader.number("Sched. dep (h)", {"Sched. dep (h)": sent}), read)
    np.testing.assert_equal(
        reader.number("distance", {"distance": sent}), sent if np.isfinite(sent) else np.nan
    )


def test_categories_have_the_ids_of_the_vocabulary_and_others_are_unknown(reader: Reader) -> None:
    texts = ("", *reader.vocabulary("carrier"), "ua", "XX")

    assert [reader.id_of("carrier", {"carrier": text}) for text in texts] == [1, 2, 3, 4, 0, 0]


def test_a_text_that_another_column_knows_is_unknown(reader: Reader) -> None:
    text = next(text for text in reader.vocabulary("carrier") if text not in reader.vocabulary("Carrier"))

    assert reader.id_of("Carrier", {"carrier": text, "Carrier": text}) == 0


def test_a_hashed_text_has_the_same_id_for_ever(reader: Reader) -> None:
    texts = ("", "N14228", "never seen", "東京")

    assert [reader.id_of("tail/number", {"tail/number": text}) for text in texts] == [1, 49, 29, 3]


def test_a_cross_is_unknown_with_an_unknown_part_and_missing_when_all_are(reader: Reader) -> None:
    title = "carrier x größe"
    carrier, size = reader.vocabulary(title)[0].split("\x1f")

    assert reader.id_of(title, {"carrier": carrier, "größe": size}) == 2
    assert reader.id_of(title, {"carrier": "XX", "größe": size}) == 0
    assert reader.id_of(title, {}) == 1


def test_a_row_of_gaps_has_no_number_and_no_word(reader: Reader) -> None:
    encoded = reader.row({})

    assert np.isnan(encoded.numbers).all()
    assert set(encoded.ids.ravel()) == {1}
    assert not encoded.words.any()


def test_every_moment_has_its_own_parts(reader: Reader) -> None:
    row: dict[str, float | str] = {"when": "2012-02-29 23:59-00:30", "when, as text": "2013-01-01"}
    parts = {
        "when": {"year": 2012, "month": 3, "day": 1, "weekday": 3, "hour": 0, "minute": 29},
        "when, as text": {"month": 1, "weekday": 1, "hour": 0},
    }

    assert {
        name: {part: reader.number(f"{name} {part}", row) for part in wanted}
        for name, wanted in parts.items()
    } == parts
