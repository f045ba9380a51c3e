"""Rules of columns that are looked at without being features: they are read, unless they are restricted."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from judging_world import spec_of

from tidemill_contracts import layout
from tidemill_contracts.manifest import Column, DatasetManifest, SpanManifest
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_trainer.judging.aside import read_aside

EARLIER, NEWEST = (layout.dataset_part("eval", span, 0) for span in (3, 7))
SPEC = spec_of(
    slices=[["carrier"], ["plane", "nowhere"]],
    split={"groupBy": ["day"]},
    blessing={"fairness": {"groups": ["vip", "passport"]}},
)


def a_dataset(store: ObjectStore, *, restricted: bool = True, told: bool = True) -> DatasetManifest:
    """Two files of held-out rows, and spans of which one has a column that is not in clear."""
    parts: dict[str, dict[str, list[Any]]] = {
        EARLIER: {"carrier": ["AA", None], "vip": [True, None], "passport": ["x1", "x2"], "day": [1, 1]},
        NEWEST: {"carrier": ["DL"], "vip": [False], "passport": ["x3"], "day": [None]},
    }
    for file, columns in parts.items():
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({**columns, "plane": pa.array([1.5] * len(columns["day"]))}), sink)
        store.write(layout.dataset("p", "d", file), sink.getvalue().to_pybytes())
    privacies: dict[str, Any] = {"s3": "keep", "s7": "hash"}
    for span_id, privacy in privacies.items() if told else ():
        passport = Column(name="passport", type="string", privacy=privacy)
        span = SpanManifest(
            pipeline="p",
            span_id=span_id,
            spec_digest="s",
            object_name="o",
            generation=1,
            size_bytes=1,
            rows=1,
            rows_rejected=0,
            columns=(passport,),
        )
        store.write(layout.span("p", span_id, "manifest.json"), span.model_dump_json().encode())
    return DatasetManifest(
        pipeline="p",
        dataset=1,
        dataset_id="d",
        spec_digest="s",
        spans=(3, 7),
        span_ids=("s3", "s7"),
        rows_in=3,
        rows_train=0,
        rows_eval=3,
        rows_unlabelled=0,
        train_files=(),
        eval_files=(EARLIER, NEWEST),
        features=(),
        left_out=(),
        data_classification="restricted" if restricted else None,
    )


def test_declared_columns_are_read_whether_or_not_they_are_features(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    aside = read_aside(store, a_dataset(store), SPEC)

    assert aside.columns["carrier"].tolist() == ["AA", "", "DL"]
    np.testing.assert_array_equal(aside.columns["vip"], [1, np.nan, 0])
    assert aside.is_newest.tolist() == [False, False, True]


def test_values_of_restricted_columns_are_not_read(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    aside = read_aside(store, a_dataset(store), SPEC)

    assert aside.restricted == {"passport"}
    assert aside.absent == {"passport": "it is restricted", "nowhere": "the data has no such column"}
    assert aside.columns.keys() == {"carrier", "vip", "plane"}


def test_restricted_data_whose_spans_tell_nothing_is_refused(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    with pytest.raises(ObjectNotFound):
        read_aside(store, a_dataset(store, told=False), SPEC)


def test_without_restricted_columns_no_span_is_asked(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    aside = read_aside(store, a_dataset(store, restricted=False, told=False), SPEC)

    assert aside.columns["passport"].tolist() == ["x1", "x2", "x3"]


def test_rows_of_one_group_are_one_unit_and_those_without_any_are_alone(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    units = read_aside(store, a_dataset(store), SPEC).units

    assert units is not None
    assert (units[0] == units[1], units[2] in units[:2]) == (True, False)


def test_a_sample_of_the_rows_has_a_sample_of_everything(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)

    some = read_aside(store, a_dataset(store), SPEC).take(np.array([0, 2]))

    assert some.columns["carrier"].tolist() == ["AA", "DL"]
    assert some.is_newest.tolist() == [False, True]
    assert some.units is not None
    assert len(some.units) == 2
