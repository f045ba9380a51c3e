"""Manifests: the immutable records of spans, dataset versions and models. Writing one commits the work."""

import hashlib
from datetime import datetime
from typing import Any

from pydantic import Field

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.columns import Privacy
from tidemill_contracts.events import Reason, SchemaChange
from tidemill_contracts.profile import ColumnType, Feature, LeftOut, ProfileModel, Task

LABEL_COLUMN = "__label__"
# float64, never null or negative; there only when the spec has a weight.
WEIGHT_COLUMN = "__weight__"


class Column(ProfileModel):
    """A column of a span as it is stored. `pii` says what personal data it was taken for, None for none.

    A column with privacy `drop` is named here and stored nowhere; `hash` and `mask` are stored as texts.
    """

    name: str
    type: ColumnType
    privacy: Privacy = "keep"
    pii: str | None = None


class SpanManifest(ProfileModel):
    """One drop, read and checked. `rows` counts what was kept, `rows_rejected` what was not. `files` names
    the objects that were read when there were several, else it is empty. `changes` is how its columns differ
    from those of the newest accepted span when it was read.

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
    files: tuple[str, ...] = ()
    changes: tuple[SchemaChange, ...] = ()

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The columns that its rows have."""
        return tuple(column for column in self.columns if column.privacy != "drop")


class DatasetManifest(ProfileModel):
    """One dataset version. rows_in = rows_train + rows_eval + rows_unlabelled + rows_rejected.

    Rejected are rows that break a column's rules. `baseline` is the dataset version that the data was held
    against, None when there was none. `data_classification` is that of the strictest column. `held_out_from`
    is the least value of the split's time column on the evaluation side, None when it is split otherwise.
    """

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
    rows_rejected: int = 0
    task: Task = "binary"
    weighted: bool = False
    train_files: tuple[str, ...]
    eval_files: tuple[str, ...]
    reject_files: tuple[str, ...] = ()
    features: tuple[Feature, ...]
    left_out: tuple[LeftOut, ...]
    crosses: tuple[tuple[str, ...], ...] = ()
    baseline: int | None = None
    held_out_from: str | None = None
    anomalies: tuple[Anomaly, ...] = ()
    data_classification: str | None = None


class GoldenPredictions(ProfileModel):
    """Rows with the answers that the model gave in training, so that serving can prove it gives the same.

    `inputs` maps a feature to its column of float32 numbers (None where missing) or strings (empty where
    missing), `outputs` an output to its column: a number, a text, or a number per class or quantile.
    """

    inputs: dict[str, tuple[float | str | None, ...]]
    outputs: dict[str, tuple[float | str | tuple[float, ...], ...]]


class ModelManifest(ProfileModel):
    """One trained model and the verdict on it. `reasons` is empty when it was blessed.

    `params` are the hyper-parameters of each candidate, by family: the next search begins with them.
    `classes` are the names behind the columns of `probabilities`. `decision_threshold` is the probability
    from which the answer is best taken for yes, None for other tasks. `decides` is the metric that did.
    """

    pipeline: str
    version: int
    model_id: str
    dataset: int
    dataset_id: str
    # Datasets used to be numbered by their newest span: manifests of that time do not tell it.
    newest_span: int = Field(default_factory=lambda facts: facts["dataset"])
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
    task: Task = "binary"
    classes: tuple[str, ...] = ()
    decides: str = "roc_auc"
    params: dict[str, dict[str, bool | int | float | str]] = Field(default={})
    decision_threshold: float | None = None


class Withdrawals(ProfileModel):
    """What others than serving may know of a deployment: the versions that must not serve."""

    withdrawn: dict[int, Reason] = Field(default={})


def content_id(*parts: str) -> str:
    """Address content or a piece of work by what determines it: 16 hexadecimal digits of SHA-256."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:16]
