"""A home folder as a platform leaves it: two spans, two dataset versions, a model, a refusal, a ledger."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from tidemill_contracts import layout
from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.events import DatasetIngested, DatasetRejected, Reason, SchemaChange
from tidemill_contracts.manifest import (
    Column,
    DatasetManifest,
    GoldenPredictions,
    ModelManifest,
    SpanManifest,
)
from tidemill_contracts.pipeline import Pipeline
from tidemill_contracts.profile import (
    CategoricalProfile,
    ColumnProfile,
    Feature,
    LabelProfile,
    LeftOut,
    NumericProfile,
    Profile,
)
from tidemill_local.supervisor.home import Home
from tidemill_runtime.folder import FolderStore

Columns = Mapping[str, Sequence[object]]

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = (
    Column(name="delay", type="int"),
    Column(name="carrier", type="string"),
    Column(name="mail", type="string", privacy="hash", pii="email"),
)
SPECS = tuple(
    Pipeline.model_validate(
        {"metadata": {"name": "flights"}, "spec": {"label": "delay > 5", "leaveOut": left_out}}
    )
    for left_out in (["mail"], ["mail", "carrier"])
)


def prepare(home: Home) -> None:
    """Fill a home folder; nothing runs in it."""
    home.create()
    store = FolderStore(home.bucket)
    store.write(layout.pipeline_spec("flights"), SPECS[1].to_json().encode())
    for spec in SPECS:
        store.write(layout.pinned_spec("flights", spec.digest()), spec.to_json().encode())
    for number in (1, 2):
        write_span(store, number)
        write_dataset(store, number)
    write_refusal(store)
    write_model(store)
    write_ledger(store)


def write_span(store: FolderStore, number: int) -> None:
    """Twenty rows; the second span has two rejected rows."""
    rejected = ["row 3: no number", "row 3: no number"] if number == 2 else []
    span = SpanManifest(
        pipeline="flights",
        span_id=f"span{number}",
        spec_digest=SPECS[0].digest(),
        object_name=f"drops/flights/m{number}.csv",
        generation=number,
        size_bytes=9,
        rows=20,
        rows_rejected=len(rejected),
        columns=COLUMNS,
    )
    rows: Columns = {"delay": list(range(20)), "carrier": ["UA", None] * 10, "mail": [f"{number}"] * 20}
    parquet(store, layout.span("flights", span.span_id, "data.parquet"), rows)
    parquet(store, layout.span("flights", span.span_id, "rejects.parquet"), {"reason": rejected})
    parquet(store, f"warehouse/flights_spans/span={number}/data.parquet", rows)
    document(store, layout.span("flights", span.span_id, "manifest.json"), span)
    entry = layout.sequence_entry(layout.SPAN_SEQUENCE, "flights", number)
    store.write(entry, span.span_id.encode())


def write_dataset(store: FolderStore, number: int) -> None:
    """The first version is of the first span, the second of both, with another spec and a warning."""
    warning = Anomaly(type="SCHEMA_NEW_COLUMN", column="mail", severity="warn", message="it is new")
    features = [Feature(name="carrier", kind="categorical")] if number == 1 else []
    dataset = DatasetManifest(
        pipeline="flights",
        dataset=number,
        dataset_id=f"dataset{number}",
        spec_digest=SPECS[number - 1].digest(),
        spans=tuple(range(1, number + 1)),
        span_ids=tuple(f"span{each}" for each in range(1, number + 1)),
        rows_in=21 * number - 1,
        rows_train=12 * number,
        rows_eval=8 * number,
        rows_unlabelled=0,
        rows_rejected=number - 1,
        reject_files=("rejects/1.parquet",) * (number - 1),
        train_files=("train/1.parquet",),
        eval_files=("eval/1.parquet",),
        features=tuple(features),
        left_out=(LeftOut(name="delay", reason="The label or the weight is computed from it."),),
        baseline=number - 1 or None,
        anomalies=(warning,) * (number - 1),
    )
    rejects = layout.dataset("flights", dataset.dataset_id, "rejects/1.parquet")
    parquet(store, rejects, {"delay": [-1], "__reason__": ["delay: expected at least 0, received -1"]})
    for side, rows in (("train", dataset.rows_train), ("eval", dataset.rows_eval)):
        content: Columns = {"delay": list(range(rows)), "carrier": ["UA"] * rows, "__label__": [True] * rows}
        parquet(store, layout.dataset("flights", dataset.dataset_id, f"{side}/1.parquet"), content)
    document(store, layout.dataset("flights", dataset.dataset_id, "profile.json"), a_profile(number))
    document(store, layout.dataset("flights", dataset.dataset_id, "eval-profile.json"), a_profile(1))
    store.write(layout.dataset("flights", dataset.dataset_id, "schema.yaml"), b"columns: {delay: int}\n")
    document(store, layout.dataset("flights", dataset.dataset_id, "manifest.json"), dataset)
    entry = layout.sequence_entry(layout.DATASET_SEQUENCE, "flights", number)
    store.write(entry, dataset.dataset_id.encode())


def a_profile(number: int) -> Profile:
    """A hundred rows: delays grow with the number, the shares of carriers stay."""
    delays = tuple(float(value * number) for value in range(101))
    numeric = NumericProfile(minimum=0, maximum=100 * number, mean=50 * number, stddev=1, quantiles=delays)
    carriers = CategoricalProfile(vocabulary=(("UA", 60), ("B6", 20)), max_length_bytes=2)
    facts: Mapping[str, Any] = {"rows": 100, "distinct_estimate": 2}
    return Profile(
        rows=100,
        label=LabelProfile(task="binary", classes=(("false", 75), ("true", 25))),
        columns=(
            ColumnProfile(name="delay", type="int", nulls=0, numeric=numeric, **facts),
            ColumnProfile(name="carrier", type="string", nulls=20, categorical=carriers, **facts),
        ),
    )


def write_refusal(store: FolderStore) -> None:
    reason = Reason(code="too-few-rows", message="expected 100 labelled rows, received 3")
    refusal = DatasetRejected(pipeline="flights", span=3, dataset_id="dataset3", reasons=(reason,), seconds=1)
    document(store, layout.dataset("flights", "dataset3", "rejection.json"), refusal)


def write_model(store: FolderStore) -> None:
    """A blessed model of the first version; the second is being trained on."""
    model = ModelManifest(
        pipeline="flights",
        version=1,
        model_id="model1",
        dataset=1,
        dataset_id="dataset1",
        newest_span=1,
        spec_digest=SPECS[0].digest(),
        family="deep",
        metrics={"roc_auc": 0.75},
        candidates={},
        champion=None,
        champion_metrics=None,
        blessed=True,
        reasons=(),
        golden=GoldenPredictions(inputs={}, outputs={}),
        trained_at=NOON,
        tracking={},
    )
    document(store, layout.model_manifest("flights", "model1"), model)
    for number in (1, 2):
        intent = {"dataset_id": f"dataset{number}", "correlation_id": f"drop-{number}"}
        store.write(layout.training("flights", f"model{number}"), json.dumps(intent).encode())


def write_ledger(store: FolderStore) -> None:
    """One event and one dead letter, both written down twice."""
    change = SchemaChange(column="mail", change="added", after="string")
    ingested = DatasetIngested(
        pipeline="flights",
        spec_digest="s",
        span=2,
        span_id="span2",
        object_name="drops/flights/m2.csv",
        generation=2,
        rows=20,
        rows_rejected=2,
        columns=3,
        changes=(change,),
        seconds=1,
    )
    event = {"source": "/tidemill/ingest", "id": "e", "type": "dev.tidemill.dataset.ingested.v1"}
    context = {"subject": ingested.subject, "correlationid": "c", "causationid": "", "dataclassification": ""}
    times = {"time": NOON, "published_at": NOON}
    letter = {
        "message_id": "m",
        "time": NOON,
        "code": "no",
        "reason": "why",
        "subscription": "tidemill-ingest",
    }
    rest = {"attributes": "{}", "data": ""}
    told = {**event, **context, **times, "data": ingested.model_dump_json()}
    for copy in ("a", "b"):
        for table, row in (("events", told), ("dead_letters", {**letter, **rest})):
            columns = {name: [value] for name, value in row.items()}
            parquet(store, f"warehouse/{table}/0-{copy}.parquet", columns)


def document(store: FolderStore, name: str, content: BaseModel) -> None:
    store.write(name, content.model_dump_json().encode())


def parquet(store: FolderStore, name: str, columns: Columns) -> None:
    types = {"reason": pa.string(), "carrier": pa.string()}
    table = pa.table({key: pa.array(values, types.get(key)) for key, values in columns.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    store.write(name, sink.getvalue().to_pybytes())
