"""The contract of the warehouse, for every adapter of it."""

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from warehouse_sites import EmulatorSite, ParquetSite, Row, Site, fake_site, running_emulator

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_transform.columns import ARROW_TYPES
from tidemill_transform.ledger import EVENTS
from tidemill_transform.warehouse import Table

NO_EMULATOR = "LOCAL-BIGQUERY IS NOT INSTALLED: BigQuery's adapter was checked against our own fake only"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    if shutil.which("local-bigquery") is None:
        pytest.skip(NO_EMULATOR)
    folder = tmp_path_factory.mktemp("emulator")
    with running_emulator(folder) as address:
        yield folder / "gcs", address


@pytest.fixture(params=["parquet", "bigquery-fake", "local-bigquery"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    match request.param:
        case "parquet":
            yield ParquetSite(tmp_path)
        case "bigquery-fake":
            with fake_site(tmp_path) as site:
                yield site
        case _:
            yield EmulatorSite(*request.getfixturevalue("emulator"))


def load(
    site: Site, span: int, types: Mapping[str, ColumnType], name: str = "a", **values: Sequence[Any]
) -> None:
    """Load rows into the table `spans`, as an object of this name."""
    columns = tuple(Column(name=name, type=kind) for name, kind in types.items())
    rows = pa.table({name: pa.array(values[name], ARROW_TYPES[kind]) for name, kind in types.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink)
    site.store.write(f"spans/{span}/{name}.parquet", sink.getvalue().to_pybytes())
    site.warehouse().load(Table("spans", columns), span, f"spans/{span}/{name}.parquet")


def in_order(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[name] for name in names) for row in rows), key=repr)


def test_a_row_keeps_its_values_in_their_types_and_gets_its_span(site: Site) -> None:
    types: dict[str, ColumnType] = {
        "b": "bool",
        "i": "int",
        "f": "float",
        "t": "timestamp",
        "s": "string",
    }
    load(site, 3, types, b=[True], i=[2**53 + 1], f=[-0.1], t=[NOON], s=["naïve\n'`\""])

    row = (3, True, 2**53 + 1, -0.1, NOON, "naïve\n'`\"")
    assert in_order(site.rows("spans"), "span", *types) == [row]


def test_what_is_missing_and_what_is_no_number_stay_apart(site: Site) -> None:
    load(site, 1, {"f": "float", "s": "string"}, f=[math.nan, math.inf, None], s=["nan", "inf", None])

    values = {row["s"]: row["f"] for row in site.rows("spans")}
    assert math.isnan(values["nan"])
    assert values["inf"] == math.inf
    assert values[None] is None


def test_a_span_loaded_again_is_there_once(site: Site) -> None:
    for _ in range(3):
        load(site, 1, {"a": "int"}, a=[1, 1, 2])
        load(site, 2, {"a": "int"}, a=[3])

    assert in_order(site.rows("spans"), "span", "a") == [(1, 1), (1, 1), (1, 2), (2, 3)]


def test_another_object_of_a_span_takes_the_place_of_its_rows(site: Site) -> None:
    load(site, 1, {"a": "int"}, a=[1, 2])
    load(site, 2, {"a": "int"}, a=[3])
    load(site, 1, {"a": "int"}, name="b", a=[4])

    assert in_order(site.rows("spans"), "span", "a") == [(1, 4), (2, 3)]


def test_columns_that_come_and_go_are_null_elsewhere(site: Site) -> None:
    load(site, 1, {"old": "int"}, old=[1])
    load(site, 2, {"new": "string"}, new=["x"])

    assert in_order(site.rows("spans"), "span", "old", "new") == [(1, 1, None), (2, None, "x")]


@pytest.mark.parametrize(
    ("first", "second", "values"),
    [
        (("int", 1), ("float", 2.5), (1.0, 2.5)),
        (("float", 2.5), ("int", 1), (2.5, 1.0)),
        (("bool", True), ("int", 7), (1, 7)),
        (("int", 12), ("string", "N/A"), ("12", "N/A")),
        (("string", "N/A"), ("int", 12), ("N/A", "12")),
        (("float", 2.5), ("string", "N/A"), ("2.5", "N/A")),
    ],
)
def test_a_column_becomes_as_wide_as_its_values_need(
    site: Site, first: tuple[ColumnType, Any], second: tuple[ColumnType, Any], values: tuple[Any, Any]
) -> None:
    for span, (kind, value) in enumerate((first, second), start=1):
        load(site, span, {"a": kind, "same": "int"}, a=[value], same=[span])

    found = in_order(site.rows("spans"), "same", "a")
    assert found == list(enumerate(values, start=1))
    assert type(found[0][1]) is type(values[0])


def test_a_column_of_the_files_named_span_is_kept_beside_ours(site: Site) -> None:
    load(site, 4, {"Span": "string", "a": "int"}, Span=["theirs"], a=[1])

    assert in_order(site.rows("spans"), "span", "Span_5b0e83") == [(4, "theirs")]


def test_an_appended_row_is_read_once_however_often_it_came(site: Site) -> None:
    row = {column.name: None for column in EVENTS.columns}
    for number in (1, 2, 1):
        told = {**row, "source": "s", "id": str(number), "time": NOON, "published_at": NOON, "data": "{}"}
        site.warehouse().append(EVENTS, f"key-{number}", [told])

    assert in_order(site.rows("events"), "id", "time", "data", "subject") == [
        ("1", NOON, "{}", None),
        ("2", NOON, "{}", None),
    ]


def test_a_warehouse_that_answers_is_ready(site: Site) -> None:
    site.warehouse().check()
