"""Rules of predictions and feedback in the warehouse: a row for each row asked, and for each thing said."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from warehouse_sites import ParquetSite, Site, fake_site

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import FeedbackReceived, PredictionLogged
from tidemill_contracts.notification import ObjectFinalized
from tidemill_contracts.recorded import Feedback, LogFile, LoggedPrediction
from tidemill_runtime.consumer import Rejected
from tidemill_transform.recorded import ROWS_AT_ONCE, Recorded

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_MS = round(NOON.timestamp() * 1000)
LOG = layout.prediction_log("flights", "2026-01-01T12", LogFile(NOON_MS, NOON_MS, "0a", 1).name)
SAID = layout.feedback("flights", "2026-01-01T12", f"{NOON_MS}-0a-1.jsonl")


@pytest.fixture(params=["parquet", "bigquery-fake"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    if request.param == "parquet":
        yield ParquetSite(tmp_path)
    else:
        with fake_site(tmp_path) as site:
            yield site


def prediction(number: int, rows: int = 1) -> LoggedPrediction:
    return LoggedPrediction(
        prediction_id=f"p{number}",
        predicted_at_ms=NOON_MS,
        version=3,
        variant="canary",
        signature="serving_default",
        protocol="rest",
        code="OK",
        seconds=0.25,
        rows=rows,
        inputs={"carrier": [f"é{row}" for row in range(rows)], "tensor": 7},
        outputs={"probability": [row / 8 for row in range(rows)]},
    )


def feedback(number: int, **changes: object) -> Feedback:
    said = {"prediction_id": f"p{number}", "said_at_ms": NOON_MS, "received_at_ms": NOON_MS + 1000}
    of = {"predicted_at_ms": NOON_MS, "version": 3, "variant": "", "gateway": "0a", "is_logged": True}
    return Feedback.model_validate(said | of | changes)


def written(site: Site, name: str, *lines: LoggedPrediction | Feedback) -> ObjectFinalized:
    content = b"".join(line.model_dump_json().encode() + b"\n" for line in lines)
    site.store.write(name, gzip.compress(content) if name.endswith(".gz") else content)
    info = site.store.stat(name)
    return ObjectFinalized(
        bucket="b", name=name, generation=info.generation, size_bytes=info.size_bytes, time=NOON
    )


def load(site: Site, new: ObjectFinalized) -> list[EventData]:
    return list(Recorded(site.store, site.warehouse())(new))


def test_each_row_that_was_asked_is_a_row(site: Site) -> None:
    [told] = load(site, written(site, LOG, prediction(1, rows=2), prediction(2)))

    assert isinstance(told, PredictionLogged)
    assert (told.pipeline, told.object_name, told.rows) == ("flights", LOG, 3)
    rows = sorted(site.rows("predictions"), key=lambda row: (row["prediction_id"], row["row"]))
    assert [(row["prediction_id"], row["row"]) for row in rows] == [("p1", 0), ("p1", 1), ("p2", 0)]
    assert json.loads(rows[1]["inputs"]) == {"carrier": "é1", "tensor": 7}
    assert json.loads(rows[1]["outputs"]) == {"probability": 0.125}
    assert (rows[0]["version"], rows[0]["predicted_at"]) == (3, NOON)


def test_a_failure_is_a_row_without_values(site: Site) -> None:
    failed = prediction(1).model_copy(update={"code": "INTERNAL", "inputs": None, "outputs": None})

    load(site, written(site, LOG, failed))

    [row] = site.rows("predictions")
    assert (row["code"], row["inputs"], row["outputs"]) == ("INTERNAL", None, None)


@pytest.mark.parametrize(
    ("label", "text"), [(True, "true"), (1, "1"), (2.5, "2.5"), ("late", "late"), (None, None)]
)
def test_a_label_of_any_kind_is_a_text(site: Site, label: object, text: str | None) -> None:
    [told] = load(site, written(site, SAID, feedback(1, label=label, reward=0.5)))

    assert isinstance(told, FeedbackReceived)
    [row] = site.rows("feedback")
    assert (row["label"], row["reward"], row["said_at"]) == (text, 0.5, NOON)


def test_an_object_that_is_announced_again_adds_nothing(site: Site) -> None:
    new = written(site, LOG, prediction(1, rows=ROWS_AT_ONCE + 1))

    [first], [again] = load(site, new), load(site, new)

    assert again.subject == first.subject
    assert len(site.rows("predictions")) == ROWS_AT_ONCE + 1


@pytest.mark.parametrize(
    ("name", "content"),
    [(LOG, b"not gzip"), (LOG, gzip.compress(b"{}")), (SAID, b"[]")],
    ids=["not compressed", "no log line", "no feedback"],
)
def test_what_no_gateway_wrote_is_a_dead_letter(site: Site, name: str, content: bytes) -> None:
    new = written(site, name)
    site.store.write(name, content)

    with pytest.raises(Rejected, match="unreadable"):
        load(site, new)


def test_other_objects_are_passed_over(site: Site) -> None:
    assert load(site, written(site, "predictions/flights/notes.txt")) == []
