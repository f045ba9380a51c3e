"""Rows with every kind of feature, under names that no programming language takes."""

from typing import Any

import numpy as np
import pyarrow as pa
from learned_data import data_of

from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Feature, FeatureOptions, Task
from tidemill_trainer.data import TrainingData

PLAIN = (
    Feature(name="distance", kind="numeric"),
    Feature(name="is it?", kind="numeric", options=FeatureOptions(bins=0)),
    Feature(name="price in €", kind="numeric", options=FeatureOptions(scale="log", missing_indicator=False)),
    Feature(name="1:raw", kind="numeric", options=FeatureOptions(scale="none", bins=4)),
    Feature(name="carrier", kind="categorical", options=FeatureOptions(vocabulary=3)),
    Feature(name="Carrier", kind="categorical"),
    Feature(name="größe", kind="categorical"),
)
DERIVED = (
    Feature(name="Sched. dep (h)", kind="numeric", options=FeatureOptions(clip=(5, 20), bins=8)),
    Feature(name="tail/number", kind="categorical", options=FeatureOptions(hash_buckets=50)),
    Feature(name="tail number", kind="categorical", options=FeatureOptions(hash_buckets=100_000)),
    Feature(
        name="when",
        kind="timestamp",
        options=FeatureOptions(parts=("year", "month", "day", "weekday", "hour", "minute")),
    ),
    Feature(name="when, as text", kind="timestamp"),
    Feature(name="note", kind="text"),
    Feature(name="", kind="text"),
)
FEATURES = (*PLAIN, *DERIVED)
CROSSES = (("carrier", "größe"), ("carrier", "Carrier", "größe"))
CARRIERS = ("UA", "AA", "B6", "DL", "ZÜ", "東京")
SIZES = ("klein", "groß", "groß:1", "")
WORDS = ("late", "LATE", "Sturm", "naïve", "o'neil", "東京", "7", "and", "in", "the")
MOMENTS = ("2013-01-31", "2012-02-29T23:59:59Z", "2013-06-30 00:30+02:00", "2013-02-30", "noon", "")


def every_kind(
    rows: int = 600, *, plain: bool = False, task: Task = "binary", **training: Any
) -> TrainingData:
    """Learnable rows; only those features that need no graph, where `plain`."""
    features = PLAIN if plain else FEATURES
    table = _table(rows, np.random.default_rng(5), task)
    is_held_out = pa.array(np.arange(rows) % 5 == 0)
    train = table.filter(pa.array(np.arange(rows) % 5 > 0))
    return data_of(
        train,
        features,
        held_out=table.filter(is_held_out),
        crosses=() if plain else CROSSES,
        seed=3,
        **training,
    )


def _table(rows: int, rng: np.random.Generator, task: Task) -> pa.Table:
    def some(values: tuple[str, ...]) -> list[str]:
        return [values[index] for index in rng.integers(len(values), size=rows)]

    def gaps(share: float) -> pa.Array:
        return pa.array(rng.random(rows) < share)

    distance = rng.gamma(2.0, 500.0, rows)
    carrier, note = some(CARRIERS), [" ".join(some(WORDS)[:7]) for _ in range(rows)]
    hour = rng.integers(0, 24, rows)
    minutes = rng.integers(0, 2 * 365 * 24 * 60, rows)
    when = np.datetime64("2012-06-01T00:00", "us") + minutes.astype("timedelta64[m]")
    is_late = np.array(["late" in text.lower() for text in note])
    labels: dict[Task, Any] = {
        "binary": (distance > 1000) ^ is_late ^ (rng.random(rows) < 0.2),
        "multiclass": np.where(is_late, "spät", np.where(distance > 1000, "früh", "pünktlich")),
        "regression": distance / 10 + 50 * is_late,
    }
    columns = {
        "distance": np.where(rng.random(rows) < 0.02, np.inf, distance),
        "is it?": hour > 12,
        "price in €": rng.normal(0, 1e6, rows),
        "1:raw": rng.normal(0, 1, rows),
        "carrier": carrier,
        "Carrier": some(CARRIERS[:2]),
        "größe": some(SIZES),
        "Sched. dep (h)": hour,
        "tail/number": [f"N{number}" for number in rng.integers(300, size=rows)],
        "tail number": [f"N{number}" for number in rng.integers(300, size=rows)],
        "when": pa.array(when, pa.timestamp("us", "UTC")),
        "when, as text": some(MOMENTS),
        "note": note,
        "": some(WORDS),
    }
    holed = {name: pa.array(values) for name, values in columns.items()}
    holed = {
        name: values if name == "1:raw" else pa.compute.if_else(gaps(0.1), None, values)
        for name, values in holed.items()
    }
    return pa.table({**holed, LABEL_COLUMN: labels[task]})
