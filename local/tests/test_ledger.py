"""The ledger's Parquet files, read as the transform service writes them."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tidemill_local.cli.ledger import Ledger

TYPE = "dev.tidemill.drop.deduplicated.v1"


def a_row(number: int, **changes: object) -> dict[str, object]:
    pipeline = changes.pop("pipeline", "flights")
    drop = f'"object_name":"a","generation":{number},"span":1,"span_id":"s","seconds":0'
    data = f'{{"pipeline":"{pipeline}",{drop}}}'
    row = {
        "source": "/tidemill/ingest",
        "id": str(number),
        "type": TYPE,
        "subject": f"drops/{number}",
        "time": datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
        "correlationid": f"c{number}",
        "causationid": None,
        "dataclassification": None,
        "data": data,
        "published_at": datetime(2026, 1, 1, 0, 0, number, tzinfo=UTC),
    }
    return row | changes


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def write(ledger: Ledger, table: str, name: str, *rows: dict[str, object]) -> None:
    path = ledger.bucket / "warehouse" / table / "level=0" / f"{name}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)


def test_nothing_written_is_nothing_to_show(ledger: Ledger) -> None:
    assert ledger.events() == []
    assert ledger.dead_letters(5) == []


def test_the_latest_events_come_oldest_first(ledger: Ledger) -> None:
    for number in (2, 3, 1):
        write(ledger, "events", str(number), a_row(number))

    assert [entry.subject for entry in ledger.events(limit=2)] == ["drops/2", "drops/3"]


def test_an_event_recorded_twice_is_shown_once(ledger: Ledger) -> None:
    write(ledger, "events", "once", a_row(1))
    write(ledger, "events", "again", a_row(1, published_at=datetime(2026, 1, 2, tzinfo=UTC)))

    assert len(ledger.events()) == 1


def test_events_can_be_of_one_pipeline_or_one_drop(ledger: Ledger) -> None:
    write(ledger, "events", "all", a_row(1), a_row(2, pipeline="other"), a_row(3))

    assert [entry.subject for entry in ledger.events(pipeline="flights")] == ["drops/1", "drops/3"]
    assert [entry.subject for entry in ledger.events(correlation_id="c2")] == ["drops/2"]


def test_an_event_of_a_newer_version_is_kept_without_its_data(ledger: Ledger) -> None:
    write(ledger, "events", "new", a_row(1, type="dev.tidemill.drop.deduplicated.v9"))

    (entry,) = ledger.events()
    assert entry.type == "dev.tidemill.drop.deduplicated.v9"
    assert entry.data is None
