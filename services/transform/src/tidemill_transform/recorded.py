"""Predictions and feedback, from what gateways wrote down to rows of the warehouse.

Rows are appended under their object's name, so that it may be announced again. Where a row lies twice all the
same, readers tell by its prediction's id and row; of feedback on these the last that was said counts.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tidemill_contracts.event import EventData
from tidemill_contracts.events import FeedbackReceived, PredictionLogged
from tidemill_contracts.manifest import Column, content_id
from tidemill_contracts.notification import ObjectFinalized
from tidemill_contracts.profile import ColumnType
from tidemill_contracts.recorded import (
    UNREADABLE,
    Feedback,
    LogFile,
    LoggedPrediction,
    is_feedback,
    pipeline_of,
    read_feedback,
    read_predictions,
)
from tidemill_runtime.consumer import Rejected
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_transform.warehouse import Table, Warehouse

Row = dict[str, Any]

# BigQuery takes requests of 10 MB.
ROWS_AT_ONCE = 1000


def _table(name: str, time: str, **columns: ColumnType) -> Table:
    return Table(name, tuple(Column(name=column, type=kind) for column, kind in columns.items()), time=time)


PREDICTIONS = _table(
    "predictions",
    "predicted_at",
    pipeline="string",
    prediction_id="string",
    row="int",
    predicted_at="timestamp",
    version="int",
    variant="string",
    signature="string",
    protocol="string",
    code="string",
    seconds="float",
    inputs="string",
    outputs="string",
)
FEEDBACK = _table(
    "feedback",
    "received_at",
    pipeline="string",
    prediction_id="string",
    row="int",
    label="string",
    reward="float",
    said_at="timestamp",
    received_at="timestamp",
    predicted_at="timestamp",
    version="int",
    variant="string",
)


@dataclass(frozen=True)
class Recorded:
    """Fills the tables from new objects, and tells of each."""

    store: ObjectStore
    warehouse: Warehouse

    def __call__(self, new: ObjectFinalized) -> Iterator[EventData]:
        """Append an object's rows; objects of other kinds are none of our business."""
        began = time.monotonic()
        is_said = is_feedback(new.name)
        if not is_said and LogFile.parse(new.name) is None:
            return
        table, event = (FEEDBACK, FeedbackReceived) if is_said else (PREDICTIONS, PredictionLogged)
        rows = self._rows(new.name)
        for begin in range(0, len(rows), ROWS_AT_ONCE):
            key = content_id(new.name, str(begin))
            self.warehouse.append(table, key, rows[begin : begin + ROWS_AT_ONCE])
        yield event(
            pipeline=pipeline_of(new.name),
            object_name=new.name,
            rows=len(rows),
            seconds=round(time.monotonic() - began, 3),
        )

    def _rows(self, name: str) -> list[Row]:
        pipeline = pipeline_of(name)
        try:
            content = self.store.read(name)
        except ObjectNotFound as error:
            raise Rejected("object-gone", str(error)) from error
        try:
            if is_feedback(name):
                return [_said(pipeline, each) for each in read_feedback(content)]
            return [row for each in read_predictions(content) for row in _asked(pipeline, each)]
        except UNREADABLE as error:
            raise Rejected("unreadable", f"expected what a gateway wrote in {name}: {error}") from error


def _asked(pipeline: str, line: LoggedPrediction) -> Iterator[Row]:
    for row in range(line.rows):
        yield {
            "pipeline": pipeline,
            "prediction_id": line.prediction_id,
            "row": row,
            "predicted_at": _time(line.predicted_at_ms),
            "version": line.version,
            "variant": line.variant,
            "signature": line.signature,
            "protocol": line.protocol,
            "code": line.code,
            "seconds": line.seconds,
            "inputs": _json(line.row_of(line.inputs, row)),
            "outputs": _json(line.row_of(line.outputs, row)),
        }


def _said(pipeline: str, said: Feedback) -> Row:
    return {
        "pipeline": pipeline,
        "prediction_id": said.prediction_id,
        "row": said.row,
        # A label is a text here, whatever it was: `true`, `12.5` or `late`.
        "label": said.label if isinstance(said.label, str) or said.label is None else json.dumps(said.label),
        "reward": said.reward,
        "said_at": _time(said.said_at_ms),
        "received_at": _time(said.received_at_ms),
        "predicted_at": _time(said.predicted_at_ms),
        "version": said.version,
        "variant": said.variant,
    }


def _json(values: Row | None) -> str | None:
    return None if values is None else json.dumps(values, ensure_ascii=False)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
