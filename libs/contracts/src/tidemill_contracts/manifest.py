"""Manifests: the immutable records of spans, dataset versions and models. Writing one commits the work."""

import hashlib
from datetime import datetime
from typing import Any

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import ColumnType, Feature, LeftOut, ProfileModel

LABEL_COLUMN = "__label__"


class Column(ProfileModel):
    """A column of a span as it was read."""

    name: str
    type: ColumnType


class SpanManifest(ProfileModel):
    """One dropped file, read and checked. `rows` counts what was kept, `rows_rejected` what was not.

    The span's number is not in it: numbers are given after the manifest is written, so that a numbered span
    is always complete.
    """

    pipeline: str
    span_id: str
    spec_digest: str
    object_name: str
    generation: int
    size_bytes: int
    rows: int
    rows_rejected: int
    columns: tuple[Column, ...]


class DatasetManifest(ProfileModel):
    """One dataset version. rows_in = rows_train + rows_eval + rows_unlabelled."""

    pipeline: str
    dataset: int
    dataset_id: str
    spec_digest: str
    spans: tuple[int, ...]
    span_ids: tuple[str, ...]
    rows_in: int
    rows_train: int
    rows_eval: int
    rows_unlabelled: int
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]


class GoldenPredictions(ProfileModel):
    """Rows with the answers that the model gave in training, so that serving can prove it gives the same.

    `inputs` maps a feature to its column of float32 numbers (None where missing) or strings (empty where
    missing), `outputs` an output to its column of numbers.
    """

    inputs: dict[str, tuple[float | str | None, ...]]
    outputs: dict[str, tuple[float, ...]]


class ModelManifest(ProfileModel):
    """One trained model and the verdict on it. `reasons` is empty when it was blessed."""

    pipeline: str
    version: int
    model_id: str
    dataset: int
    dataset_id: str
    spec_digest: str
    family: str
    metrics: dict[str, float]
    candidates: dict[str, dict[str, float]]
    champion: int | None
    champion_metrics: dict[str, float] | None
    blessed: bool
    reasons: tuple[Reason, ...]
    golden: GoldenPredictions
    trained_at: datetime
    tracking: dict[str, Any]


def content_id(*parts: str) -> str:
    """Address content or a piece of work by what determines it: 16 hexadecimal digits of SHA-256."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:16]
