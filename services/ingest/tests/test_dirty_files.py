"""Files as people send them: each ends as the right span, or in quarantine under a stable code."""

import gzip
import io
import json
import sqlite3
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest import delimited, draft
from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Expected
from tidemill_ingest.span import write_span

MAX_DECOMPRESSED_BYTES = 100 << 20


@dataclass(frozen=True)
class Read:
    """What a span must be. `first` is its first row, where that is worth a look."""

    rows: int
    rejected: int
    types: Mapping[str, ColumnType]
    first: Mapping[str, object] = field(default_factory=dict)


Content = bytes | Callable[[], bytes]
NUMBERS: Mapping[str, ColumnType] = {"a": "int", "b": "int"}
GOOD = "a,b\n" + "1,2\n" * 3


def parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def avro(fields: Mapping[str, object], rows: list[dict[str, object]]) -> bytes:
    buffer = io.BytesIO()
    schema = {
        "type": "record",
        "name": "r",
        "fields": [{"name": name, "type": kind} for name, kind in fields.items()],
    }
    fastavro.writer(buffer, fastavro.parse_schema(schema), rows)
    return buffer.getvalue()


def sqlite_file() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table t (a int)")
        return connection.serialize()


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"), io.BytesIO())
    return buffer.getvalue()


def column(*cells: str) -> bytes:
    """A file whose column c holds the cells, each often enough to count."""
    return ("i,c\n" + "".join(f'{index},"{cell}"\n' for index, cell in enumerate(cells))).encode()


def of_column(column_type: ColumnType, rows: int, first: object, rejected: int = 0) -> Read:
    return Read(rows, rejected, {"i": "int", "c": column_type}, {"c": first})


SMALL_PARQUET = parquet(pa.table({"a": [1, 2, 3], "b": ["x", None, "y"]}))
SMALL_AVRO = avro({"a": "long", "b": ["null", "string"]}, [{"a": n, "b": None} for n in range(3)])
WIDE = ",".join(f"column_{n:05}" for n in range(10_000)) + "\n" + ",".join(["1"] * 10_000) + "\n"

TEXT: Mapping[str, tuple[Content, Read | str]] = {
    "plain": (GOOD.encode(), Read(3, 0, NUMBERS, {"a": 1, "b": 2})),
    "semicolons": (GOOD.replace(",", ";").encode(), Read(3, 0, NUMBERS)),
    "tabs": (GOOD.replace(",", "\t").encode(), Read(3, 0, NUMBERS)),
    "pipes": (GOOD.replace(",", "|").encode(), Read(3, 0, NUMBERS)),
    "semicolons and decimal commas": (
        b"a;b\n1,5;x\n2,5;y\n",
        Read(2, 0, {"a": "string", "b": "string"}, {"a": "1,5"}),
    ),
    "Excel's separator line": (b"sep=;\r\na;b\r\n1;2\r\n", Read(1, 0, NUMBERS)),
    "Excel's quoted decimals": (column("1,5", "2,25"), of_column("string", 2, "1,5")),
    "single quotes": (b"'a','b'\n'1','x,y'\n", Read(1, 0, {"a": "int", "b": "string"}, {"b": "x,y"})),
    "backslash before quotes": (
        b'a,b\n1,"say \\"hi\\" now"\n',
        Read(1, 0, {"a": "int", "b": "string"}, {"b": 'say "hi" now'}),
    ),
    "UTF-8 with BOM": (b"\xef\xbb\xbf" + GOOD.encode(), Read(3, 0, NUMBERS)),
    "UTF-16 little endian": (("\ufeff" + GOOD).encode("utf-16-le"), Read(3, 0, NUMBERS)),
    "UTF-16 big endian": (("\ufeff" + GOOD).encode("utf-16-be"), Read(3, 0, NUMBERS)),
    "UTF-16 cut in a character": (("\ufeff" + GOOD).encode("utf-16-le")[:-1], "not-utf8"),
    "UTF-16 without BOM": (GOOD.encode("utf-16-le"), "not-text"),
    "UTF-32": (GOOD.encode("utf-32"), "not-text"),
    "Latin-1": (
        "a,b\ncafé,Köln\n".encode("latin-1"),
        Read(1, 0, {"a": "string", "b": "string"}, {"a": "café", "b": "Köln"}),
    ),
    "Windows-1252": (
        "a,b\nthe “best” café in town,5 €\nJosé’s place,7 €\n".encode("cp1252"),  # noqa: RUF001
        Read(2, 0, {"a": "string", "b": "string"}, {"a": "the “best” café in town", "b": "5 €"}),
    ),
    "Latin-1 late in the file": (
        b"a,b\n" + b"x,1\n" * 300_000 + b"caf\xe9,2\n",
        Read(300_001, 0, {"a": "string", "b": "int"}),
    ),
    "Windows-1251": ("имя,город\nИван,Москва\nАнна,Казань\n".encode("cp1251"), "not-utf8"),  # noqa: RUF001
    "Shift JIS": ("名前,都市\n太郎,東京\n花子,大阪\n".encode("shift_jis"), "not-utf8"),
    "empty": (b"", "empty-file"),
    "only a BOM": (b"\xef\xbb\xbf", "no-header"),
    "only line ends": (b"\n\r\n\n", "no-header"),
    "only spaces": (b"   ", "no-header"),
    "header only": (b"a,b\n", "no-rows"),
    "header without line end": (b"a,b", "no-rows"),
    "no header, numbers": (b"1,2\n3,4\n", "no-header"),
    "no header, dates and numbers": (b"2013-01-01,2.5\n2013-01-02,3\n", "no-header"),
    "ragged rows": (GOOD.encode() + b"1\n1,2,3\n", Read(3, 2, NUMBERS)),
    "every row ragged": (b"a,b\n1\n2\n", "no-rows"),
    "trailing delimiter everywhere": (b"a,b,\n1,2,\n3,4,\n", Read(2, 0, NUMBERS)),
    "trailing delimiter in the header only": (b"a,b,\n1,2,3\n", "blank-column-name"),
    "trailing delimiter in the rows only": (b"a,b\n1,2,\n", "no-rows"),
    "index without name": (b",a\n0,1\n", "blank-column-name"),
    "blank lines": (b"\n\na,b\n\n1,2\n\n\n3,4\n\n", Read(2, 0, NUMBERS)),
    "comment before the header": (b"# exported\n#\na,b\n1,2\n", Read(1, 0, NUMBERS)),
    "comment among the rows": (GOOD.encode() + b"# end\n", Read(3, 1, NUMBERS)),
    "CR only": (GOOD.replace("\n", "\r").encode(), Read(3, 0, NUMBERS)),
    "CR LF": (GOOD.replace("\n", "\r\n").encode(), Read(3, 0, NUMBERS)),
    "mixed line ends": (b"a,b\r\n1,2\n3,4\r5,6", Read(3, 0, NUMBERS)),
    "line ends in quotes": (b'a,b\n1,"x\ny"\n', Read(1, 0, {"a": "int", "b": "string"}, {"b": "x\ny"})),
    "line end in the header": (b'"a\nx",b\n1,2\n', Read(1, 0, {"a x": "int", "b": "int"})),
    "spaces around": (b" a , b \n 1 , 2 \n", Read(1, 0, NUMBERS, {"a": 1})),
    "duplicate header": (b"a,b,a\n1,2,3\n", "duplicate-columns"),
    "header alike but for case": (b"a,A\n1,2\n", "duplicate-columns"),
    "header alike but for normal form": ("é,e\u0301\n1,2\n".encode(), "duplicate-columns"),
    "decomposed header": ("e\u0301,b\n1,2\n".encode(), Read(1, 0, {"é": "int", "b": "int"})),
    "right to left": ("שם,גיל\nדנה,30\n".encode(), Read(1, 0, {"שם": "string", "גיל": "int"}, {"שם": "דנה"})),
    "emoji": ("🚕,b\n👩‍🚀,2\n".encode(), Read(1, 0, {"🚕": "string", "b": "int"}, {"🚕": "👩‍🚀"})),
    "long name": (b"x" * 301 + b",b\n1,2\n", "long-column-name"),
    "longest name": (b"x" * 300 + b",b\n1,2\n", Read(1, 0, {"x" * 300: "int", "b": "int"})),
    "10,000 columns": (WIDE.encode(), Read(1, 0, {f"column_{n:05}": "int" for n in range(10_000)})),
    "10,001 columns": (("x," + WIDE).encode(), "too-many-columns"),
    "NUL bytes in the middle": (GOOD.encode() * 20_000 + b"1,\0\n", "not-text"),
    "unterminated quote at the end": (b'a,b\n1,2\n3,"x\n4,5\n6,7\n', "unterminated-quote"),
    "unterminated quote in the first column": (b'a,b\n1,2\n"3,x\n4,5\n6,7\n', "unterminated-quote"),
    "unterminated quote in a large file": (b'a,b\n1,"2\n' + b"3,4\n" * 4_000_000, "row-too-long"),
    "quoted lines at the end": (
        b'a,b\n1,"x\ny"\ny\n',
        Read(1, 1, {"a": "int", "b": "string"}, {"b": "x\ny"}),
    ),
    "quoted quote at the end": (
        b'a,b\n1,"x\n"""\n',
        Read(1, 0, {"a": "int", "b": "string"}, {"b": 'x\n"'}),
    ),
    "10 MB cell": (b"a,b\n1," + b"x" * 10_000_000 + b"\n", "row-too-long"),
    "3 MB cell": (b"a,b\n1," + b"x" * 3_000_000 + b"\n", Read(1, 0, {"a": "int", "b": "string"})),
    "quote inside a cell": (
        b'a,b\n1,5" pipe\n2,6" pipe\n',
        Read(2, 0, {"a": "int", "b": "string"}, {"b": '5" pipe'}),
    ),
}

CELLS: Mapping[str, tuple[Content, Read | str]] = {
    "mixed types": (column("1", "x", "2"), of_column("string", 3, "1")),
    "one stray among many": (column(*["1"] * 200, "x"), of_column("int", 200, 1, rejected=1)),
    "ISO dates": (
        column("2013-01-31", "2013-02-01"),
        of_column("timestamp", 2, datetime(2013, 1, 31, tzinfo=UTC)),
    ),
    "ISO times": (
        column("2013-01-01 05:00", "2013-01-01T06:30:00Z"),
        of_column("timestamp", 2, datetime(2013, 1, 1, 5, tzinfo=UTC)),
    ),
    "American dates": (column("1/31/2013", "12/01/2013"), of_column("string", 2, "1/31/2013")),
    "European dates": (column("31.01.2013", "01.02.2013"), of_column("string", 2, "31.01.2013")),
    "dates in words": (column("Jan 31, 2013", "31-Jan-2013"), of_column("string", 2, "Jan 31, 2013")),
    "epoch seconds": (column("1357016400", "1357016460"), of_column("int", 2, 1357016400)),
    "fractions, zones and dates": (
        column("2013-01-01T05:00:00.123+01:00", "2013-01-01", "2013-01-01 05:00:00.5"),
        of_column("timestamp", 3, datetime(2013, 1, 1, 4, 0, 0, 123000, tzinfo=UTC)),
    ),
    "impossible date among many": (
        column(*["2013-01-01"] * 200, "2013-02-31"),
        of_column("timestamp", 200, datetime(2013, 1, 1, tzinfo=UTC), rejected=1),
    ),
    "times of day": (column("05:00", "17:30"), of_column("string", 2, "05:00")),
    "only nulls": (b"a,b\n1,\n2,NA\n3,null\n", Read(3, 0, {"a": "int", "b": "string"}, {"b": None})),
    "beyond int64": (column("12345678901234567890", "1"), of_column("string", 2, "12345678901234567890")),
    "largest int64": (column(str(2**63 - 1), str(-(2**63))), of_column("int", 2, 2**63 - 1)),
    "1e400": (column("1e400", "1"), of_column("float", 1, 1.0, rejected=1)),
    "1e400 among many": (column(*["1.5"] * 200, "1e400"), of_column("float", 200, 1.5, rejected=1)),
    "infinite words": (column("inf", "-Infinity", "1.5"), of_column("float", 3, float("inf"))),
    "nan words": (column("nan", "NaN", "1.5"), of_column("float", 3, None)),
    "leading zeros": (column("007", "123", "045"), of_column("string", 3, "007")),
    "one leading zero among many": (column("01234", *["12345"] * 500), of_column("string", 501, "01234")),
    "zero and decimals below one": (column("0", "0.5", "-0.25"), of_column("float", 3, 0.0)),
    "hexadecimals": (column("0x1F", "0x20"), of_column("string", 2, "0x1F")),
    "true and false": (column("true", "False", "TRUE"), of_column("bool", 3, True)),
    "yes and no": (column("yes", "no"), of_column("string", 2, "yes")),
    "Y and N": (column("Y", "N"), of_column("string", 2, "Y")),
    "thousands separators": (column("1,000", "2,500"), of_column("string", 2, "1,000")),
    "percentages": (column("5%", "10%"), of_column("string", 2, "5%")),
    "currency": (column("$5.00", "$7.50"), of_column("string", 2, "$5.00")),
    "plus signs": (column("+5", "+1.5"), of_column("float", 2, 5.0)),
    "numbers in spaces": (column(" 1", "2 "), of_column("int", 2, 1)),
}

JSON: Mapping[str, tuple[Content, Read | str]] = {
    "JSON Lines": (b'{"a":1,"b":"x"}\n{"a":2,"b":null}\n', Read(2, 0, {"a": "int", "b": "string"}, {"a": 1})),
    "JSON Lines with BOM": (b'\xef\xbb\xbf{"a":1}\n', Read(1, 0, {"a": "int"})),
    "JSON Lines named csv": (b'{"a":1}\n', Read(1, 0, {"a": "int"})),
    "JSON keys missing": (b'{"a":1}\n{"b":2}\n', Read(2, 0, NUMBERS, {"a": 1, "b": None})),
    "JSON broken line": (b'{"a":1}\n{"a":\n{"a":2}\n', Read(2, 1, {"a": "int"})),
    "JSON rows that are no objects": (b'{"a":1}\n[1]\n5\n"x"\nnull\n', Read(1, 4, {"a": "int"})),
    "JSON array of objects": (b' [{"a":1},{"a":2.5}] ', Read(2, 0, {"a": "float"}, {"a": 1.0})),
    "JSON array cut short": (b'[{"a":1},{"a":', "not-json"),
    "JSON array of numbers": (b"[1,2,3]", "no-rows"),
    "JSON empty array": (b"[]", "no-rows"),
    "JSON over several lines": (b'{\n "a": 1\n}\n', "no-rows"),
    "JSON nested objects": (b'{"a":{"b":{"c":1}},"d":2}\n', Read(1, 0, {"a.b.c": "int", "d": "int"})),
    "JSON nested too deep": (b'{"a":' * 2000 + b"1" + b"}" * 2000 + b'\n{"a":1}\n', Read(1, 1, {"a": "int"})),
    "JSON lists": (b'{"a":1}\n{"a":[1,2]}\n', Read(1, 1, {"a": "int"})),
    "JSON key twice": (b'{"a":1,"a":2}\n', Read(1, 0, {"a": "int"}, {"a": 2})),
    "JSON path twice": (b'{"a.b":1,"a":{"b":2}}\n{"c":1}\n', Read(1, 1, {"c": "int"})),
    "JSON numbers as text": (b'{"a":"1"}\n{"a":"007"}\n', Read(2, 0, {"a": "string"}, {"a": "1"})),
    "JSON times": (b'{"a":"2013-01-01T05:00:00Z"}\n', Read(1, 0, {"a": "timestamp"})),
    "JSON mixed kinds": (b'{"a":1}\n{"a":"x"}\n{"a":true}\n', Read(3, 0, {"a": "string"}, {"a": "1"})),
    "JSON stray kind": (b'{"a":1}\n' * 300 + b'{"a":"x"}\n', Read(300, 1, {"a": "int"})),
    "JSON beyond int64": (
        b'{"a":18446744073709551615}\n',
        Read(1, 0, {"a": "string"}, {"a": "18446744073709551615"}),
    ),
    "JSON not a number": (b'{"a":NaN}\n{"a":1.5}\n', Read(2, 0, {"a": "float"}, {"a": None})),
    "JSON half a character pair": (b'{"a":"\\ud800"}\n{"a":"x"}\n', Read(1, 1, {"a": "string"})),
    "JSON empty objects": (b"{}\n{}\n", "no-rows"),
    "JSON key in another case": (b'{"a":1}\n{"A":2}\n{"a":3,"b":4}\n', Read(2, 1, NUMBERS, {"a": 1})),
    "JSON keys alike in one row": (b'{"a":1}\n{"a":1,"A":2}\n', "duplicate-columns"),
    "JSON empty key": (b'{"":1}\n', "blank-column-name"),
    "SQL Server's column names": (b"[a],[b]\n1,2\n", Read(1, 0, {"[a]": "int", "[b]": "int"})),
}

BINARY: Mapping[str, tuple[Content, Read | str]] = {
    "gzip": (gzip.compress(GOOD.encode()), Read(3, 0, NUMBERS)),
    "zstd": (zstandard.compress(GOOD.encode()), Read(3, 0, NUMBERS)),
    "gzip in two members": (gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n"), Read(1, 0, NUMBERS)),
    "gzip of nothing": (gzip.compress(b""), "empty-file"),
    "gzip cut short": (gzip.compress(GOOD.encode() * 1000)[:-12], "broken-compression"),
    "zstd cut short": (zstandard.compress(GOOD.encode())[:-3], "broken-compression"),
    "gzip twice": (gzip.compress(gzip.compress(GOOD.encode())), "not-text"),
    "gzip bomb": (lambda: gzip.compress(b"a,b\n" + b"0" * (120 << 20), 9), "too-large"),
    "zstd bomb": (lambda: zstandard.compress(b"a,b\n" + b"1,2\n" * (40 << 20)), "too-large"),
    "gzip of Parquet": (gzip.compress(SMALL_PARQUET), Read(3, 0, {"a": "int", "b": "string"})),
    "Parquet named csv": (SMALL_PARQUET, Read(3, 0, {"a": "int", "b": "string"}, {"a": 1, "b": "x"})),
    "Parquet cut short": (SMALL_PARQUET[:-20], "not-parquet"),
    "Parquet magic and little else": (b"PAR1\x15\x04", "not-parquet"),
    "names that start as Parquet does": (b"PAR1,PAR2\n3,4\n", Read(1, 0, {"PAR1": "int", "PAR2": "int"})),
    "names that start as ORC does": (b"ORCID,b\nx,1\n", Read(1, 0, {"ORCID": "string", "b": "int"})),
    "ORC": (b"ORC\x0a\x03\0\0\0", "not-text"),
    "Parquet without rows": (parquet(pa.table({"a": pa.array([], pa.int64())})), "no-rows"),
    "Parquet list": (parquet(pa.table({"a": [[1], [2]]})), "unsupported-column"),
    "Parquet struct": (parquet(pa.table({"a": [{"x": 1}]})), "unsupported-column"),
    "Parquet binary": (parquet(pa.table({"a": [b"\xff"]})), "unsupported-column"),
    "Parquet same name twice": (
        parquet(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])),
        "duplicate-columns",
    ),
    "Avro": (SMALL_AVRO, Read(3, 0, {"a": "int", "b": "string"}, {"a": 0})),
    "Avro cut short": (SMALL_AVRO[:-5], "not-avro"),
    "Avro magic only": (b"Obj\x01", "not-avro"),
    "Avro array": (avro({"a": {"type": "array", "items": "int"}}, [{"a": [1]}]), "unsupported-column"),
    "Avro without rows": (avro({"a": "int"}, []), "no-rows"),
    "Excel workbook": (zipped("[Content_Types].xml", "xl/workbook.xml"), "not-text"),
    "old Excel workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "not-text"),
    "zip archive": (zipped("a.csv"), "not-text"),
    "zip cut short": (zipped("a.csv")[:30], "not-text"),
    "tar archive": (tarred(), "not-text"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "not-text"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not-text"),
    "SQLite": (sqlite_file, "not-text"),
    "HTML": (b"<!DOCTYPE html>\n<html><body>Sign in</body></html>\n", "not-a-table"),
    "random bytes": (bytes(range(1, 256)) * 4, "not-utf8"),
}


CORPUS = {**TEXT, **CELLS, **JSON, **BINARY}


def outcome(content: bytes, folder: Path) -> Read | str:
    """Ingest a file; the code it was refused with, or what the span on disk holds."""
    (folder / "source").write_bytes(content)
    try:
        span = write_span(folder / "source", folder, Expected(), MAX_DECOMPRESSED_BYTES)
    except Refused as refused:
        return refused.code
    table = pq.read_table(folder / "data.parquet")
    rejected = pq.read_metadata(folder / "rejects.parquet").num_rows
    assert (table.num_rows, rejected) == (span.rows, span.rows_rejected)
    types = {each.name: each.type for each in span.columns}
    assert table.schema.names == list(types)
    return Read(span.rows, span.rows_rejected, types, table.slice(0, 1).to_pylist()[0])


@pytest.mark.parametrize("name", CORPUS)
def test_a_dirty_file_ends_as_the_right_span_or_under_its_code(name: str, tmp_path: Path) -> None:
    content, expected = CORPUS[name]
    received = outcome(content if isinstance(content, bytes) else content(), tmp_path)

    if isinstance(expected, str) or isinstance(received, str):
        assert received == expected
        return
    assert (received.rows, received.rejected, received.types) == (
        expected.rows,
        expected.rejected,
        expected.types,
    )
    looked_at = {key: received.first[key] for key, value in expected.first.items()}
    assert looked_at == expected.first


@pytest.mark.parametrize(
    "name", [name for name, (content, _) in CORPUS.items() if isinstance(content, bytes)]
)
def test_a_dirty_file_is_the_same_whatever_its_head_suggests(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, _ = CORPUS[name]
    assert isinstance(content, bytes)
    monkeypatch.setattr(delimited, "BLOCK_BYTES", max(32, len(content) // 20))
    monkeypatch.setattr(draft, "HEAD_BATCHES", 1_000)
    held_back = outcome(content, tmp_path)
    monkeypatch.setattr(draft, "HEAD_BATCHES", 1)

    assert outcome(content, tmp_path) == held_back


def test_an_excel_workbook_is_answered_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(zipped("xl/workbook.xml"))

    with pytest.raises(Refused) as refused:
        write_span(tmp_path / "source", tmp_path, Expected(), MAX_DECOMPRESSED_BYTES)
    assert refused.value.message == (
        "expected CSV, JSON Lines, Parquet, Avro or TFRecord; received an Excel workbook (binary data): "
        "save the sheet as CSV"
    )


def test_a_first_row_of_data_is_no_header_where_the_names_are_known(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"UA,true\nAA,false\n")
    known = (Column(name="carrier", type="string"), Column(name="late", type="bool"))

    with pytest.raises(Refused) as refused:
        write_span(tmp_path / "source", tmp_path, Expected(known), MAX_DECOMPRESSED_BYTES)
    assert refused.value.code == "no-header"


def test_json_needs_no_more_than_the_schema_to_come_from_later_rows(tmp_path: Path) -> None:
    lines = [json.dumps({"a": n}) for n in range(40_000)] + [json.dumps({"a": 1, "late": True})]
    received = outcome("\n".join(lines).encode(), tmp_path)

    assert isinstance(received, Read)
    assert (received.rows, received.types) == (40_001, {"a": "int", "late": "bool"})
    assert received.first == {"a": 0, "late": None}
