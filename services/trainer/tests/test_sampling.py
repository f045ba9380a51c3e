"""Rules of memory: what does not fit is sampled, the same rows every time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_contracts.training_spec import Resources, Training
from tidemill_runtime.folder import FolderStore
from tidemill_trainer import sampling
from tidemill_trainer.data import load_dataset, read_manifest
from tidemill_trainer.sampling import are_chosen, sampled, share_to_read


def test_a_sample_does_not_depend_on_how_the_rows_come() -> None:
    whole = pa.table({"x": range(1000)})

    (at_once,) = sampled([whole], 0.3)
    in_parts = pa.concat_tables(sampled([whole.slice(0, 137), whole.slice(137)], 0.3))

    assert at_once["x"].to_pylist() == in_parts["x"].to_pylist()
    assert at_once["x"].to_pylist() == np.flatnonzero(are_chosen(0, 1000, 0.3)).tolist()
    assert len(at_once) == pytest.approx(300, abs=50)


def test_a_sample_is_spread_over_all_rows() -> None:
    places = np.flatnonzero(are_chosen(0, 100_000, 0.1))

    assert np.histogram(places, bins=10, range=(0, 100_000))[0] == pytest.approx([1000] * 10, rel=0.15)


def test_of_more_rows_than_fit_both_sides_are_sampled_and_the_places_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, training = FolderStore(tmp_path), a_training()
    write_dataset(store, training, rows=1000)
    manifest = read_manifest(store, "flights", training.dataset_id)
    monkeypatch.setattr(sampling, "FIXED_BYTES", 0)
    whole = load_dataset(store, manifest, PIPELINE.spec)
    little = Training(resources=Resources(memory="100Ki"))

    part = load_dataset(store, manifest, PIPELINE.spec.model_copy(update={"training": little}))

    share = share_to_read(manifest, whole.profile, little)
    assert 0.1 < share < 0.9
    assert len(part.train) == pytest.approx(share * 800, abs=60)
    assert (part.rows_available, whole.rows_available) == (800, len(whole.train))
    assert whole.held_out_places is None
    assert part.held_out_places is not None
    assert part.held_out.columns()["day"].tolist() == (
        whole.held_out.take(part.held_out_places).columns()["day"].tolist()
    )


def test_without_a_budget_no_more_rows_are_read_than_can_be_learned_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, training = FolderStore(tmp_path), a_training()
    write_dataset(store, training, rows=1000)
    manifest = read_manifest(store, "flights", training.dataset_id)
    profile = load_dataset(store, manifest, PIPELINE.spec).profile
    monkeypatch.setattr(sampling, "FAST_ROWS", 200)

    assert share_to_read(manifest, profile, Training()) == pytest.approx(0.25)
    assert share_to_read(manifest, profile, Training(budget="10m")) == 1
