"""What comes in through every door is accounted for, and what is personal stays out of sight."""

import csv
import io
import json
from typing import Any

import pyarrow.parquet as pq

from tidemill_contracts import layout
from tidemill_contracts.event import Event
from tidemill_contracts.events import DatasetIngested, DatasetTransformed, RetrainRequested
from tidemill_world import World, flights

ROWS = 1200
PERSONAL = "ada.lovelace{number}@example.com"


def records(first: int) -> list[dict[str, Any]]:
    """Real flights as records, each with someone's address beside it."""
    rows = csv.DictReader(io.StringIO(flights(first, ROWS).decode()))
    return [
        {name: typed(cell) for name, cell in row.items() if cell != "NA"}
        | {"contact_email": PERSONAL.format(number=number)}
        for number, row in enumerate(rows)
    ]


def typed(cell: str) -> int | str:
    return int(cell) if cell.lstrip("-").isdigit() else cell


def transformed(world: World, pipeline: str, dataset: int) -> Event:
    return world.await_event(
        lambda data: (
            isinstance(data, DatasetTransformed) and (data.pipeline, data.dataset) == (pipeline, dataset)
        )
    )


def post(world: World, pipeline: str, sent: list[dict[str, Any]]) -> None:
    body = json.dumps({"records": sent}).encode()
    reply = world.ask("POST", f"/v1/pipelines/{pipeline}/records", body, of="ingest")
    assert reply.status == 202, reply.text


def test_records_become_a_dataset_and_no_personal_value_is_stored_or_told(world: World) -> None:
    world.apply("people")
    sent = records(0)
    for begin in range(0, ROWS, 100):
        post(world, "people", sent[begin : begin + 100])
    spans: list[DatasetIngested] = []
    while sum(span.rows for span in spans) < ROWS:
        number = len(spans) + 1
        event = world.await_event(
            lambda data, number=number: (
                isinstance(data, DatasetIngested)  # type: ignore[misc]
                and (data.pipeline, data.span) == ("people", number)
            )
        )
        assert isinstance(event.data, DatasetIngested)
        assert event.data.restricted_columns == ("contact_email",)
        assert event.data_classification == "restricted"
        spans.append(event.data)
    told = transformed(world, "people", len(spans))

    assert sum(span.rows + span.rows_rejected for span in spans) == ROWS
    assert isinstance(told.data, DatasetTransformed)
    assert told.data.rows_in == ROWS
    assert told.data_classification == "restricted"
    for span in spans:
        table = pq.read_table(world.store.uri(layout.span("people", span.span_id, "data.parquet")))
        assert all(len(each) == 32 for each in table["contact_email"].to_pylist())
    assert b"lovelace" not in everything_kept(world)


def everything_kept(world: World) -> bytes:
    """All that is stored or logged, but for what was dropped; tables as text."""
    kept = [path.read_bytes() for path in (world.home / "logs").glob("*")]
    for name in world.store.list(""):
        if name.startswith(("drops/", "records/")) or "people" not in name:
            continue
        if name.endswith(".parquet"):
            kept.append(str(pq.read_table(world.store.uri(name)).to_pylist()).encode())
        else:
            kept.append(world.store.read(name))
    return b"\n".join(kept)


def test_retraining_on_demand_follows_the_spec_as_it_is_by_then(world: World) -> None:
    world.apply("again")
    world.drop("again", flights(3000, 1500))
    first = transformed(world, "again", 1)
    spec = world.store.read(layout.pipeline_spec("again")).replace(b">= 15", b">= 30")
    world.store.write(layout.pipeline_spec("again"), spec)
    world.tell(RetrainRequested(pipeline="again", request_id="by-hand"))

    second = transformed(world, "again", 2)
    assert isinstance(first.data, DatasetTransformed)
    assert isinstance(second.data, DatasetTransformed)
    assert second.data.spans == first.data.spans == (1,)
    assert second.data.spec_digest != first.data.spec_digest
