"""Rules of reading a file once: what is written on the way is what a second reading would have written."""

import csv
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType
from tidemill_ingest import delimited
from tidemill_ingest.chain import open_source
from tidemill_ingest.delimited import DelimitedFile
from tidemill_ingest.errors import Refused
from tidemill_ingest.plan import Expected, Plan, make_plan
from tidemill_ingest.reader import Reject, Seen
from tidemill_ingest.span import write_span
from tidemill_ingest.span_writer import writing

# What comes first in the files, for as long as their heads last.
PLAIN = "".join(f"{n},{n / 8},word {n},2013-01-01 05:00\n" for n in range(40))
NAMES = "n,share,word,at\n"
ADDRESSES = "".join(f"1,1,{n}@example.org,\n" for n in range(500))
KEY = b"k" * 32
MAX_BYTES = 1 << 30
SMALL_BLOCK_BYTES = 128
Outcome = tuple[object, ...]

INTEGERS = st.integers(-(10**20), 10**20).map(str)
FLOATS = st.floats().map(str)
WORDS = st.text("abEe01.-+:/ ,;\"'\n\\@é", max_size=6)
TIMES = st.datetimes().flatmap(
    lambda time: st.sampled_from(
        [time.isoformat(), f"{time:%Y-%m-%d}", f"{time:%Y-%m-%d %H:%M}Z", f"{time:%Y-%m-%dT%H:%M:%S}+01:00"]
    )
)
NASTY = st.sampled_from(
    [
        *(
            "",
            "NA",
            "nan",
            "-nan",
            "None",
            " ",
            "true",
            "False",
            "TRUE",
            "0",
            "1",
            "-0",
            "00",
            "-07",
            "+5",
            " 012",
        ),
        *(
            "0x1F",
            "1e5",
            "1E400",
            ".5",
            "-1.",
            "inf",
            "-Infinity",
            "9223372036854775807",
            "9223372036854775808",
        ),
        *(
            "0000000000000000001",
            "12345678901234567890",
            "1_000",
            "1,5",
            " 1",
            "2\t",
            "2013-02-31",
            "2013-01-01",
        ),
        *(
            "2013-01-01T05:00Z",
            "2013-01-01 05:00+0130",
            "20130101",
            "05:00",
            "a@example.org",
            "4111111111111111",
        ),
        *("+1 212 555 0123", "DE89370400440532013000", "x\ny", '"', "0123456789abcdef"),
    ]
)


@st.composite
def tables(draw: st.DrawFn) -> bytes:
    """CSV whose columns are mostly of one kind, with anything in between."""
    kinds = draw(st.lists(st.sampled_from([INTEGERS, FLOATS, WORDS, TIMES, NASTY]), min_size=1, max_size=4))
    strays = draw(st.integers(0, 3))
    rows = draw(st.lists(st.tuples(*kinds).map(list), min_size=1, max_size=60))
    for _ in range(strays):
        row = draw(st.sampled_from(rows))
        row[draw(st.integers(0, len(row) - 1))] = draw(NASTY)
    if draw(st.integers(0, 3)) == 0:
        rows.insert(draw(st.integers(0, len(rows))), ["ragged"] * (len(kinds) + 1))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerows([[f"c{place}" for place in range(len(kinds))], *rows])
    return text.getvalue().encode()


class Unmoved:
    """A watcher that writes nothing, so that the file is read once to decide and once to write."""

    def reject(self, problem: str, cell: object = None) -> None:
        pass

    def look(self, seen: Seen, presumed: Callable[[], Plan]) -> None:
        pass


def outcome(folder: Path, read: Callable[[], Outcome]) -> Outcome:
    """All there is to know of a span: columns, rows and rejects, or why it was refused."""
    try:
        facts = read()
    except Refused as refused:
        return refused.code, refused.message
    metadata = pq.read_metadata(folder / "data.parquet")
    assert all(metadata.row_group(place).num_rows for place in range(metadata.num_row_groups))
    return (
        *facts,
        repr(pq.read_table(folder / "data.parquet").to_pydict()),
        pq.read_table(folder / "rejects.parquet").to_pydict(),
    )


def once(source: Path, folder: Path, expected: Expected) -> Outcome:
    def read() -> Outcome:
        return tuple(asdict(write_span(source, folder, expected, MAX_BYTES, KEY)).values())

    return outcome(folder, read)


def twice(source: Path, folder: Path, expected: Expected) -> Outcome:
    def read() -> Outcome:
        reader = open_source(source, folder, expected, MAX_BYTES)
        plan = make_plan(reader, expected, Unmoved())
        with writing(folder, plan, KEY) as written:
            for batch in reader.batches(written.rejects.add):
                written.add(batch)
        if not written.data.rows:
            raise Refused("no-rows", f"expected readable rows, received none{written.rejects.first()}")
        return plan.columns, plan.changes, written.data.rows, written.rejects.count, written.rejects.first()

    return outcome(folder, read)


def both(content: bytes, expected: Expected) -> tuple[Outcome, Outcome]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        (path / "source").write_bytes(content)
        return once(path / "source", path, expected), twice(path / "source", path, expected)


@pytest.fixture(autouse=True, scope="module")
def _small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(delimited, "BLOCK_BYTES", SMALL_BLOCK_BYTES)
        yield


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that were read through, in order."""
    read = []
    batches = DelimitedFile.batches

    def counted(self: DelimitedFile, reject: Reject) -> Iterator[pa.RecordBatch]:
        read.append(self._path.name)
        return batches(self, reject)

    monkeypatch.setattr(DelimitedFile, "batches", counted)
    return read


@settings(deadline=None, max_examples=300)
@given(content=tables())
def test_reading_once_gives_what_reading_twice_gives(content: bytes) -> None:
    read_once, read_twice = both(content, Expected())

    assert read_once == read_twice


@settings(deadline=None, max_examples=100)
@given(content=tables(), types=st.lists(st.sampled_from(["int", "float", "bool", "timestamp", "string"])))
def test_reading_once_holds_columns_against_earlier_files_as_reading_twice_does(
    content: bytes, types: list[ColumnType]
) -> None:
    known = tuple(Column(name=f"c{place}", type=kind) for place, kind in enumerate(types))
    read_once, read_twice = both(content, Expected(known, {"c0": ColumnSpec(privacy="mask")}))

    assert read_once == read_twice


@pytest.mark.parametrize(
    "later",
    [
        *(
            "",
            '41,0.5,"x\ny",2013-01-02\n',
            "NA,,,\n",
            "x,1,a,2013-01-01\n",
            "1,x,a,2013-02-31\n",
            "ragged\n",
        ),
        *("1,2\n" * 3, "-1,inf,007,2013-01-01T05:00Z\n", " 1, 2 ,c,2013-01-01 05:00+0100\n", "0,1e5,0,\n"),
    ],
)
def test_a_file_that_is_as_its_head_is_read_once(later: str, tmp_path: Path, readings: list[str]) -> None:
    (tmp_path / "source").write_text(NAMES + PLAIN * 10 + later + PLAIN)
    once(tmp_path / "source", tmp_path, Expected())

    assert readings == ["source"]


@pytest.mark.parametrize(
    "later",
    [
        *("007,1,a,\n", "0x1F,1,a,\n", "1234567890123456789012,1,a,\n", "1,+01.5,a,\n", "1.5,1,a,\n" * 500),
        *("1,x,a,\n" * 500, "1,1,a,noon\n" * 500, ADDRESSES),
    ],
)
def test_a_file_that_its_head_did_not_tell_is_read_again(
    later: str, tmp_path: Path, readings: list[str]
) -> None:
    (tmp_path / "source").write_text(NAMES + PLAIN * 10 + later)
    read_once = once(tmp_path / "source", tmp_path, Expected())

    assert readings == ["source", "source"]
    assert read_once == twice(tmp_path / "source", tmp_path, Expected())


def test_nothing_in_clear_is_left_of_a_column_that_turned_out_personal(tmp_path: Path) -> None:
    (tmp_path / "source").write_text(NAMES + PLAIN + ADDRESSES)
    with pytest.raises(Refused, match="expected a key"):
        write_span(tmp_path / "source", tmp_path, Expected(), MAX_BYTES)

    assert [file.name for file in tmp_path.iterdir()] == ["source"]


def test_rows_set_aside_are_told_in_order_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "source").write_text(NAMES + PLAIN * 10 + "x,1,a,\n" + PLAIN * 10 + "ragged\n" + PLAIN)
    once(tmp_path / "source", tmp_path, Expected())

    assert pq.read_table(tmp_path / "rejects.parquet")["reason"].to_pylist() == [
        "column n: expected int, received 'x'",
        "row 802: expected 4 cells, received 1",
    ]
