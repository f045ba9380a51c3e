"""What callers say of predictions, read and checked: one wrong item, and none of a request is taken."""

import math
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson

from tidemill_contracts.recorded import Feedback, Label
from tidemill_gateway.errors import Refused, invalid
from tidemill_gateway.quoting import quoted
from tidemill_gateway.recording.prediction_ids import Predicted, PredictionIds

MAX_ITEMS = 1000
MAX_LABEL_CHARACTERS = 256
# How far a caller's clock may be ahead: what is said last counts, so it must not be said in the far future.
AHEAD_SECONDS = 300
NAMES = {"predictionId", "prediction_id", "row", "label", "reward", "at"}
EXPECTED = '{"predictionId": ..., "label" or "reward": ..., "row": 0, "at": ...} or a list of such objects'


def read_feedback(body: bytes, model: str, ids: PredictionIds) -> list[Feedback]:
    """Return what a request says; raises Refused, naming the first item that is wrong."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {error}") from error
    items = document if isinstance(document, list) else [document]
    if not 0 < len(items) <= MAX_ITEMS:
        raise invalid(f"Expecting {EXPECTED}, at most {MAX_ITEMS}, but got: {len(items)} items")
    return list(_read_items(items, model, ids))


def _read_items(items: list[Any], model: str, ids: PredictionIds) -> Iterator[Feedback]:
    now_ms = time.time_ns() // 1_000_000
    for index, item in enumerate(items):
        try:
            yield _read_item(item, model, ids, now_ms)
        except Refused as refusal:
            raise invalid(f"Item {index}: {refusal.message}") from refusal


def _read_item(item: Any, model: str, ids: PredictionIds, now_ms: int) -> Feedback:
    if not isinstance(item, dict) or not item.keys() <= NAMES:
        raise invalid(f"Expecting {EXPECTED} but got: {quoted(item)}")
    prediction_id = item.get("predictionId", item.get("prediction_id"))
    if not isinstance(prediction_id, str):
        raise invalid(f"Expecting {EXPECTED} but got: {quoted(item)}")
    predicted = ids.read(model, prediction_id)
    label, reward = _label(item.get("label")), _reward(item.get("reward"))
    if label is None and reward is None:
        raise invalid(f"Expecting a label or a reward but got: {quoted(item)}")
    return Feedback(
        prediction_id=prediction_id,
        row=_row(item.get("row", 0), predicted),
        label=label,
        reward=reward,
        said_at_ms=now_ms if item.get("at") is None else _at(item["at"], now_ms),
        received_at_ms=now_ms,
        predicted_at_ms=predicted.at_ms,
        version=predicted.version,
        variant=predicted.variant,
        gateway=predicted.gateway,
        is_logged=predicted.is_logged,
    )


def _label(value: Any) -> Label | None:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    is_text = isinstance(value, str) and len(value) <= MAX_LABEL_CHARACTERS
    if value is None or is_number or is_text:
        label: Label | None = value
        return label
    raise invalid(
        f"Expecting a label that is true, false, a number, or a text of at most {MAX_LABEL_CHARACTERS} "
        f"characters but got: {quoted(value)}"
    )


def _reward(value: Any) -> float | None:
    if value is None:
        return None
    if type(value) in (int, float) and 0 <= value <= 1:
        return float(value)
    raise invalid(f"Expecting a reward from 0 to 1 but got: {quoted(value)}")


def _row(value: Any, predicted: Predicted) -> int:
    if type(value) is int and 0 <= value < predicted.rows:
        return value
    raise invalid(
        f"Expecting a row from 0 to {predicted.rows - 1} of this prediction but got: {quoted(value)}"
    )


def _no_time(value: Any) -> Refused:
    return invalid(f"Expecting a time such as 2026-01-02T03:04:05Z but got: {quoted(value)}")


def _at(value: Any, now_ms: int) -> int:
    try:
        at = datetime.fromisoformat(value)
        at_ms = round(at.timestamp() * 1000)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_time(value) from error
    if at.tzinfo is None:
        raise _no_time(value)
    if not 0 <= at_ms <= now_ms + AHEAD_SECONDS * 1000:
        raise invalid(f"Expecting a time that is not in the future but got: {quoted(value)}")
    return at_ms
