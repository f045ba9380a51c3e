"""Rules of columns over time: what may change from span to span, and what is refused, with every change."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill_contracts.columns import ColumnSpec, Privacy
from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Expected
from tidemill_ingest.span import SpanFiles, write_span

KEY = b"some key that is long enough to be one"
KNOWN: Mapping[str, ColumnType] = {"n": "int", "x": "float", "word": "string", "late": "bool"}
Write = Callable[[Sequence[Mapping[str, object]]], bytes]
ROWS: Sequence[Mapping[str, object]] = [{"n": 1, "x": 1.5, "word": "a", "late": True}] * 20


def column(name: str, column_type: ColumnType, privacy: Privacy = "keep", pii: str | None = None) -> Column:
    return Column(name=name, type=column_type, privacy=privacy, pii=pii)


def expected(*more: Column, **specs: ColumnSpec) -> Expected:
    return Expected((*(column(name, kind) for name, kind in KNOWN.items()), *more), specs)


def as_csv(rows: Sequence[Mapping[str, object]]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(str(value).lower() for value in row.values()) for row in rows)]
    return "\n".join(lines).encode()


def as_json(rows: Sequence[Mapping[str, object]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def changed(**values: object) -> list[dict[str, object]]:
    """The rows with other values; None leaves a column out."""
    rows = [{**row, **values} for row in ROWS]
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def read(folder: Path, content: bytes, known: Expected) -> tuple[SpanFiles, pa.Table]:
    (folder / "source").write_bytes(content)
    span = write_span(folder / "source", folder, known, 1 << 24, KEY)
    return span, pq.read_table(folder / "data.parquet")


def refused(folder: Path, content: bytes, known: Expected) -> Refused:
    with pytest.raises(Refused) as caught:
        read(folder, content, known)
    return caught.value


def told(span: SpanFiles) -> list[tuple[str, str, str | None, str | None]]:
    return [(each.change, each.column, each.before, each.after) for each in span.changes]


def types(span: SpanFiles) -> dict[str, ColumnType]:
    return {each.name: each.type for each in span.columns}


@pytest.mark.parametrize("write", [as_csv, as_json])
def test_the_same_columns_are_no_change(tmp_path: Path, write: Write) -> None:
    span, _ = read(tmp_path, write(ROWS), expected())

    assert (types(span), told(span)) == (KNOWN, [])


def test_the_first_file_changes_nothing(tmp_path: Path) -> None:
    span, _ = read(tmp_path, as_csv(ROWS), Expected())

    assert told(span) == []


def test_a_new_column_is_fine_and_told(tmp_path: Path) -> None:
    span, _ = read(tmp_path, as_csv(changed(seats=180)), expected())

    assert told(span) == [("added", "seats", None, "int")]


def test_integers_may_widen_and_floats_stay(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_csv(changed(n=2.5, x=3)), expected())

    assert told(span) == [("widened", "n", "int", "float")]
    assert table.select(["n", "x"]).slice(0, 1).to_pylist() == [{"n": 2.5, "x": 3.0}]


def test_a_refusal_lists_every_change_with_before_and_after(tmp_path: Path) -> None:
    rows = changed(n="far", late="later", x=None, seats=3)
    refusal = refused(tmp_path, as_csv(rows), expected())

    assert refusal.code == "schema-changed"
    assert refusal.message == (
        "expected the columns of earlier files, received changes: n was int and is string; "
        "late was bool and is string; seats (int) is new; x (float) is missing"
    )
    assert [each.change for each in refusal.changes] == ["retyped", "retyped", "added", "removed"]


@pytest.mark.parametrize(
    ("name", "value"), [("n", "far"), ("n", True), ("n", "2013-01-01"), ("late", 7), ("x", "far")]
)
@pytest.mark.parametrize("write", [as_csv, as_json])
def test_a_column_of_clearly_another_type_is_refused(
    tmp_path: Path, write: Write, name: str, value: object
) -> None:
    refusal = refused(tmp_path, write(changed(**{name: value})), expected())

    assert [(each.change, each.column) for each in refusal.changes] == [("retyped", name)]


def test_parquet_of_another_type_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(changed(n="far")), tmp_path / "file")
    refusal = refused(tmp_path, (tmp_path / "file").read_bytes(), expected())

    assert [(each.column, each.before, each.after) for each in refusal.changes] == [("n", "int", "string")]


def test_cells_that_do_not_fit_are_rejected_while_most_do(tmp_path: Path) -> None:
    rows = [*ROWS, *ROWS, *ROWS, *ROWS, *ROWS, *changed(n="far")[:4]]
    span, _ = read(tmp_path, as_csv(rows), expected())

    assert (types(span), told(span), span.rows_rejected) == (KNOWN, [], 4)
    assert span.first_reasons.startswith("; first: column n: expected int, received 'far'")


def test_what_was_text_stays_text(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_csv(changed(word=5)), expected())

    assert (types(span), told(span)) == (KNOWN, [])
    assert table["word"][0].as_py() == "5"


def test_a_column_without_any_cell_is_as_it_was(tmp_path: Path) -> None:
    span, _ = read(tmp_path, as_csv(changed(n="", late="")), expected())

    assert (types(span), told(span)) == (KNOWN, [])


def test_a_column_that_csv_does_not_have_is_removed(tmp_path: Path) -> None:
    refusal = refused(tmp_path, as_csv(changed(word=None)), expected())

    assert [(each.change, each.column) for each in refusal.changes] == [("removed", "word")]


def test_a_column_that_no_json_row_has_is_one_of_nulls(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_json(changed(word=None, late=None)), expected())

    assert (types(span), told(span), span.rows_rejected) == (KNOWN, [], 0)
    assert (table["late"].type, table["late"].null_count) == (pa.bool_(), 20)


def test_a_json_row_that_spells_a_known_column_otherwise_spoils_no_other(tmp_path: Path) -> None:
    odd = {"N" if name == "n" else name: value for name, value in ROWS[0].items()}
    span, _ = read(tmp_path, as_json([odd, *ROWS]), expected())
    assert (types(span), span.rows, span.rows_rejected) == (KNOWN, len(ROWS), 1)
    assert "expected the column n, received N" in span.first_reasons

    renamed, _ = read(tmp_path, as_json([odd]), expected(n=ColumnSpec(privacy="drop")))
    assert renamed.rows == 1


def test_json_with_none_of_the_known_columns_is_refused(tmp_path: Path) -> None:
    refusal = refused(tmp_path, b'{"other": 1}\n', expected())

    assert [each.change for each in refusal.changes] == ["added", *["removed"] * 4]


@pytest.mark.parametrize("write", [as_csv, as_json])
def test_a_required_column_must_be_there(tmp_path: Path, write: Write) -> None:
    specs = {"word": ColumnSpec(required=True), "never": ColumnSpec(minimum=1)}
    read(tmp_path, write(ROWS), expected(**specs))
    refusal = refused(tmp_path, write(changed(word=None)), expected(**specs))

    assert refusal.code == "columns-missing"
    assert refusal.message == ("expected the required columns ['word'] too, received ['n', 'x', 'late']")


@pytest.mark.parametrize("write", [as_csv, as_json])
def test_a_declared_type_decides_the_reading(tmp_path: Path, write: Write) -> None:
    rows = [{"zip": "01234", "n": "5", "x": 3}] * 9 + [{"zip": "98765", "n": "abc", "x": 4}]
    specs = {"zip": ColumnSpec(type="string"), "n": ColumnSpec(type="int"), "x": ColumnSpec(type="float")}
    span, table = read(tmp_path, write(rows), Expected(specs=specs))

    assert types(span) == {"zip": "string", "n": "int", "x": "float"}
    assert table.slice(0, 1).to_pylist() == [{"zip": "01234", "n": 5, "x": 3.0}]
    assert (span.rows_rejected, span.first_reasons) == (1, "; first: column n: expected int, received 'abc'")


def test_json_of_several_kinds_is_read_as_declared(tmp_path: Path) -> None:
    content = b'{"n": 5, "s": "x"}\n' * 300 + b'{"n": "6", "s": 7}\n{"n": "six", "s": true}\n'
    specs = {"n": ColumnSpec(type="int"), "s": ColumnSpec(type="string")}
    span, table = read(tmp_path, content, Expected(specs=specs))

    assert (span.rows, span.rows_rejected) == (301, 1)
    assert table.slice(300).to_pylist() == [{"n": 6, "s": "7"}]


def test_a_type_declared_later_is_no_reason_to_refuse(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_csv(ROWS), expected(n=ColumnSpec(type="string")))

    assert told(span) == [("retyped", "n", "int", "string")]
    assert table["n"][0].as_py() == "1"


def test_a_column_that_turns_out_personal_is_hashed_and_told(tmp_path: Path) -> None:
    rows = [{**row, "word": f"p{index}@example.com"} for index, row in enumerate(ROWS)]
    span, table = read(tmp_path, as_csv(rows), expected())

    assert told(span) == [("restricted", "word", "keep", "hash")]
    assert not any("@" in text for text in table["word"].to_pylist())


def test_a_personal_column_stays_so_when_it_looks_harmless(tmp_path: Path) -> None:
    known = expected(
        column("contact", "string", "hash", "email"), column("note", "string", "mask", "address")
    )
    span, table = read(tmp_path, as_csv(changed(contact="none", note=5)), known)

    assert told(span) == []
    assert {(each.name, each.privacy, each.pii) for each in span.columns} >= {
        ("contact", "hash", "email"),
        ("note", "mask", "address"),
    }
    assert len(table["contact"][0].as_py()) == 32
    assert table["note"][0].as_py() == "9"


def test_the_spec_may_release_a_column(tmp_path: Path) -> None:
    known = expected(column("contact", "string", "hash", "email"), contact=ColumnSpec(privacy="keep"))
    span, table = read(tmp_path, as_csv(changed(contact=7)), known)

    assert told(span) == [("released", "contact", "hash", "keep")]
    assert table["contact"][0].as_py() == 7


def test_a_dropped_column_is_named_and_not_stored(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_csv(changed(pan="4111111111111111")), expected())

    assert span.columns[-1] == column("pan", "int", "drop", "card-number")
    assert table.column_names == list(KNOWN)


def test_a_dropped_column_may_be_absent_and_is_remembered(tmp_path: Path) -> None:
    dropped = column("pan", "int", "drop", "card-number")
    span, _ = read(tmp_path, as_csv(ROWS), expected(dropped))

    assert told(span) == []
    assert span.columns[-1] == dropped


def test_a_column_that_the_spec_drops_may_go(tmp_path: Path) -> None:
    span, table = read(tmp_path, as_csv(changed(word=None)), expected(word=ColumnSpec(privacy="drop")))

    assert told(span) == [("restricted", "word", "keep", "drop")]
    assert "word" not in table.column_names
