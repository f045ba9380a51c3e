"""Properties of reading: what was written comes back, and no bytes do worse than be refused."""

import csv
import io
import json
import struct
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import fastavro
import google_crc32c
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pyarrow import csv as pa_csv

from tidemill_contracts import tfserving
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Expected
from tidemill_ingest.span import SpanFiles, write_span

Table = dict[str, list[object]]
AVRO_TYPES = {"i": "long", "f": "double", "b": "boolean", "s": "string"}
TYPES: Mapping[str, ColumnType] = {"i": "int", "f": "float", "b": "bool", "s": "string"}
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
# Text without what a CSV reader takes for numbers, nulls or line ends it may write in another way.
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8).map(lambda text: f"w{text}")
ROWS = st.lists(
    st.tuples(
        st.integers(-(2**63), 2**63 - 1),
        FLOATS.filter(lambda number: number != int(number) or abs(number) > 2**63),
        st.booleans(),
        st.none() | WORDS,
    ),
    min_size=1,
    max_size=20,
)


def table_of(rows: Sequence[Sequence[object]]) -> Table:
    return {name: [row[index] for row in rows] for index, name in enumerate(TYPES)}


def assume_nothing_personal(span: SpanFiles) -> None:
    """Pass over columns that happen to look like card numbers, say: those are not kept as they are."""
    assume(all(column.pii is None for column in span.columns))


def read(content: bytes) -> tuple[SpanFiles, Table]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "source").write_bytes(content)
        span = write_span(path / "source", path, Expected(), 1 << 24)
        return span, pq.read_table(path / "data.parquet").to_pydict()


def as_rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def as_json_lines(table: Table) -> bytes:
    return "\n".join(json.dumps(row) for row in as_rows(table)).encode()


def as_parquet(table: Table) -> bytes:
    types = {"i": pa.int64(), "f": pa.float64(), "b": pa.bool_(), "s": pa.string()}
    buffer = io.BytesIO()
    pq.write_table(pa.table(table, schema=pa.schema(list(types.items()))), buffer)
    return buffer.getvalue()


def as_avro(table: Table) -> bytes:
    fields = [{"name": name, "type": ["null", kind]} for name, kind in AVRO_TYPES.items()]
    buffer = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": fields})
    fastavro.writer(buffer, schema, as_rows(table), codec="deflate")
    return buffer.getvalue()


def tfrecord(records: Sequence[bytes]) -> bytes:
    def masked(data: bytes) -> bytes:
        checksum = google_crc32c.value(data)
        return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)

    framed = bytearray()
    for record in records:
        length = struct.pack("<Q", len(record))
        framed += length + masked(length) + record + masked(record)
    return bytes(framed)


def example(row: Mapping[str, object]) -> bytes:
    message = tfserving.Example()
    for name, value in row.items():
        feature = message.features.feature[name]
        match value:
            case bool() | int():
                feature.int64_list.value.append(int(value))
            case float():
                feature.float_list.value.append(value)
            case str():
                feature.bytes_list.value.append(value.encode())
            case list():
                feature.int64_list.value.extend(value)
    return bytes(message.SerializeToString())


@pytest.mark.parametrize("write", [as_json_lines, as_parquet, as_avro])
@settings(max_examples=40, deadline=None)
@given(rows=ROWS)
def test_a_typed_file_gives_back_its_values_and_types(
    write: Callable[[Table], bytes], rows: list[tuple[object, ...]]
) -> None:
    table = table_of(rows)
    span, received = read(write(table))
    assume_nothing_personal(span)

    assert received == table
    assert {each.name: each.type for each in span.columns} == TYPES
    assert span.rows_rejected == 0


@settings(max_examples=60, deadline=None)
@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_a_csv_file_gives_back_its_values_and_types_whatever_its_dialect(
    rows: list[tuple[object, ...]], delimiter: str, quoting: int, line_end: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)  # type: ignore[arg-type]
    writer.writerows([tuple(TYPES), *rows])
    table = table_of(rows)
    span, received = read(text.getvalue().encode(encoding))
    assume_nothing_personal(span)

    assert received == table
    assert {each.name: each.type for each in span.columns} == TYPES
    assert span.rows_rejected == 0


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(width=32, allow_nan=False), WORDS), min_size=1
    )
)
def test_a_tfrecord_file_gives_back_its_values_and_types(rows: list[tuple[int, float, str]]) -> None:
    columns = ("i", "f", "s")
    span, received = read(tfrecord([example(dict(zip(columns, row, strict=True))) for row in rows]))
    assume_nothing_personal(span)

    assert as_rows({name: received[name] for name in columns}) == [
        dict(zip(columns, row, strict=True)) for row in rows
    ]
    assert {each.name: each.type for each in span.columns} == {name: TYPES[name] for name in columns}


def test_a_feature_without_value_is_null_and_one_with_several_is_refused() -> None:
    _, received = read(tfrecord([example({"a": 1, "b": None}), example({"a": 2, "b": 3})]))
    assert received == {"a": [1, 2], "b": [None, 3]}

    with pytest.raises(Refused, match="received 2 in the column a"):
        read(tfrecord([example({"a": [1, 2]})]))


@pytest.mark.parametrize("damage", ["cut", "length", "data", "not an example"])
def test_a_damaged_tfrecord_is_refused(damage: str) -> None:
    good = bytearray(tfrecord([example({"a": 1}), example({"a": 2})]))
    if damage == "cut":
        good = good[:-3]
    elif damage == "length":
        good[len(good) // 2] ^= 1
    elif damage == "data":
        good[15] ^= 1
    else:
        good = bytearray(tfrecord([b"\xff\xff"]))

    with pytest.raises(Refused, match="not-tfrecord"):
        read(bytes(good))


def test_parquet_types_are_mapped_without_changing_a_value() -> None:
    noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    table = pa.table(
        {
            "small": pa.array([1, None], pa.uint8()),
            "money": pa.array([Decimal("1.00"), Decimal("2.50")]),
            "id": pa.array([Decimal(2**53 + 1), None], pa.decimal128(20, 0)),
            "day": pa.array([noon.date(), None], pa.date32()),
            "naive": pa.array([noon.replace(tzinfo=None), None], pa.timestamp("ns")),
            "category": pa.array(["x", "y"]).dictionary_encode(),
            "missing": pa.array([float("nan"), 1.5]),
        }
    )
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    span, received = read(buffer.getvalue())

    assert [each.type for each in span.columns] == [
        "int",
        "float",
        "int",
        "timestamp",
        "timestamp",
        "string",
        "float",
    ]
    assert received == {
        "small": [1, None],
        "money": [1.0, 2.5],
        "id": [2**53 + 1, None],
        "day": [noon.replace(hour=0), None],
        "naive": [noon, None],
        "category": ["x", "y"],
        "missing": [None, 1.5],
    }


@pytest.mark.parametrize(
    "times",
    [
        pa.array([10**15, 0, None], pa.timestamp("s")),
        pa.array([3 * 10**17, 0, None], pa.timestamp("us", "UTC")),
        pa.array([2**31 - 1, 0, None], pa.int32()).cast(pa.date32()),
        pa.array(["0000-01-01", "1970-01-01", "1970-01-01"]),
    ],
    ids=["seconds", "microseconds", "days", "text"],
)
def test_a_time_of_no_year_from_1_to_9999_sets_its_row_aside(times: pa.Array) -> None:
    table = pa.table({"t": times, "n": [1, 2, 3]})
    buffer = io.BytesIO()
    if pa.types.is_string(times.type):
        pa_csv.write_csv(table, buffer)
    else:
        pq.write_table(table, buffer)
    span, received = read(buffer.getvalue())

    assert (span.rows_rejected, received["n"]) == (1, [2, 3])
    assert received["t"][0] == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_whole_decimal_that_no_int_holds_sets_its_row_aside() -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array([Decimal(2**63), Decimal(7)], pa.decimal128(38, 0))}), buffer)
    span, received = read(buffer.getvalue())

    assert (span.rows_rejected, received) == (1, {"id": [7]})


def test_avro_logical_types_are_mapped() -> None:
    noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    fields = [
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "on", "type": ["null", {"type": "int", "logicalType": "date"}]},
        {"name": "kind", "type": {"type": "enum", "name": "k", "symbols": ["A", "B"]}},
        {"name": "id", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 20}]},
    ]
    buffer = io.BytesIO()
    schema = fastavro.parse_schema({"type": "record", "name": "r", "fields": fields})
    fastavro.writer(buffer, schema, [{"at": noon, "on": noon.date(), "kind": "B", "id": Decimal(2**53 + 1)}])
    _, received = read(buffer.getvalue())

    assert received == {"at": [noon], "on": [noon.replace(hour=0)], "kind": ["B"], "id": [2**53 + 1]}


MAGICS = (
    b"",
    b"PAR1",
    b"Obj\x01",
    b"\x1f\x8b\x08",
    b"\x28\xb5\x2f\xfd",
    b"{",
    b"[{",
    b"\xff\xfe",
    b"a,b\n1,",
    b"PK\x03\x04",
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MAGICS), st.binary(max_size=400))
def test_no_bytes_do_worse_than_be_refused(magic: bytes, rest: bytes) -> None:
    try:
        span, received = read(magic + rest)
    except Refused:
        return
    assert span.rows == len(next(iter(received.values())))


@pytest.mark.parametrize("write", [as_parquet, as_avro, as_json_lines])
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_no_damaged_file_does_worse_than_be_refused(
    write: Callable[[Table], bytes], data: st.DataObject
) -> None:
    content = bytearray(
        write({"i": [1, 2, 3], "f": [0.5, 1.5, None], "b": [True, None, False], "s": ["x", "", None]})
    )
    for index, byte in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=4)
    ):
        content[index] = byte
    try:
        read(bytes(content))
    except Refused:
        return


def test_a_parquet_text_that_is_not_utf8_is_refused() -> None:
    table: Table = {"i": [1, 2], "f": [0.5, 1.5], "b": [True, False], "s": ["some text", "other"]}
    content = as_parquet(table).replace(b"some text", b"some \xff\xfe t")

    with pytest.raises(Refused) as refused:
        read(content)

    assert refused.value.code == "not-parquet"
