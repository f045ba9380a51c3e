"""Rules of a whole training, by a real job in a process of its own, on real flights."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import ydf_tf  # type: ignore[import-untyped] # noqa: F401 - registers the operations that forests are made of
from structlog.testing import capture_logs
from stub_learner import StubLearner
from trainer_world import FEATURES, PIPELINE, a_training, write_dataset

from tidemill_contracts import layout, tensors, tfserving
from tidemill_contracts.event import EventData
from tidemill_contracts.events import CandidateTrained, ModelBlessed, ModelRejected, TrialFinished
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.training_spec import Family
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_runtime.telling import Cause
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.driver import Driver, Limits
from tidemill_trainer.launcher import ProcessLauncher
from tidemill_trainer.training import train
from tidemill_trainer.trainings import Training, Trainings

ROWS = 2500
LEARNABLE, NOISE = a_training(1), a_training(2)
INPUTS = {feature.name for feature in FEATURES}


class Trainer:
    """The trainer's driver over a folder, with real jobs; what it tells is kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = FolderStore(folder / "bucket")
        self.trainings = Trainings(self.store)
        self.told: list[tuple[EventData, Cause]] = []

    def train(self, training: Training) -> None:
        stop = threading.Event()
        with closing(ProcessLauncher(self.folder / "scratch", 600)) as launcher:
            driver = Driver(
                self.trainings,
                launcher,
                lambda data, cause: self.told.append((data, cause)),
                limits=Limits(max_attempts=1, max_running=1),
                on_told=lambda _: stop.set(),
            )
            driver.accept(training)
            driver.run(stop, 0.1)

    def manifest(self, training: Training) -> ModelManifest:
        manifest = self.trainings.manifest(training)
        assert manifest is not None, (self.folder / f"scratch/logs/{training.model_id}-1.log").read_text()
        return manifest


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    """A trainer that trained a good model, and then one on noise."""
    folder = tmp_path_factory.mktemp("trainer")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("TIDEMILL_BUCKET_URL", (folder / "bucket").as_uri())
        environment.setenv("TIDEMILL_TRACKING_URI", "sqlite:///:memory:")
        environment.setenv("TIDEMILL_SCRATCH_FOLDER", str(folder / "scratch"))
        trainer = Trainer(folder)
        write_dataset(trainer.store, LEARNABLE, rows=ROWS)
        write_dataset(trainer.store, NOISE, rows=ROWS, noise=True)
        pin_few_families(trainer.store)
        leave_what_a_killed_job_leaves(trainer.store)
        trainer.train(LEARNABLE)
        trainer.train(NOISE)
        yield trainer


def test_a_dataset_that_no_family_can_learn_from_is_rejected_at_once(tmp_path: Path) -> None:
    trainings, training = Trainings(FolderStore(tmp_path / "bucket")), a_training(3)
    write_dataset(trainings.store, training, rows=60)
    pin_few_families(trainings.store)

    families: tuple[Family, ...] = ("linear", "deep", "boosted-trees")
    unable = {family: StubLearner(family, {}, unsupported="it cannot") for family in families}

    train(trainings, training, tmp_path, learners=unable)

    verdict = trainings.verdict(training)
    assert isinstance(verdict, ModelRejected)
    assert [reason.code for reason in verdict.reasons] == ["nothing-learned"]
    assert trainings.failures(training) == 0


def test_a_family_that_is_left_out_is_told_in_the_log(tmp_path: Path) -> None:
    trainings, training = Trainings(FolderStore(tmp_path / "bucket")), a_training(3)
    write_dataset(trainings.store, training, rows=300)
    pin_few_families(trainings.store)
    families: tuple[Family, ...] = ("deep", "boosted-trees")
    unable = {family: StubLearner(family, {}, unsupported=f"no {family}") for family in families}

    with capture_logs() as lines:
        train(trainings, training, tmp_path, learners=unable)

    told = {line["family"]: line["reason"] for line in lines if line["event"] == "family-left-out"}
    assert told == {"deep": "no deep", "boosted-trees": "no boosted-trees"}


def pin_few_families(store: ObjectStore) -> None:
    """Make the spec that is pinned ask for two families and slices, so that a training is short."""
    fields = {"label": "late", "slices": [["carrier"]], "training": {"families": ["deep", "boosted-trees"]}}
    pipeline = PIPELINE.model_copy(update={"spec": PipelineSpec.model_validate(fields)})
    store.write(layout.pinned_spec("flights", PIPELINE.digest()), pipeline.to_json().encode())


def leave_what_a_killed_job_leaves(store: FolderStore) -> None:
    version = Sequence(store, layout.MODEL_SEQUENCE, "flights").allocate(LEARNABLE.model_id)
    store.write(f"{layout.model_version('flights', version)}/assets/half", b"written")


class Served:
    """A model restored in a TF1 session, as model servers do."""

    def __init__(self, trainer: Trainer) -> None:
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        folder = trainer.store.uri(layout.model_version("flights", 1))
        with self.session.graph.as_default():
            loaded = tf.compat.v1.saved_model.load(self.session, ["serve"], folder)
        self.signature = loaded.signature_def["serving_default"]

    def predict(self, **columns: Any) -> Any:
        feed = {tensor.name: columns[name] for name, tensor in self.signature.inputs.items()}
        return self.session.run(self.signature.outputs["probability"].name, feed)


@pytest.fixture(scope="module")
def served(trainer: Trainer) -> Served:
    return Served(trainer)


def as_arrays(columns: dict[str, tuple[float | str | None, ...]]) -> dict[str, Any]:
    dtypes = {feature.name: np.float32 if feature.kind == "numeric" else object for feature in FEATURES}
    return {name: np.array(values, dtypes[name]) for name, values in columns.items()}


def test_every_family_is_told_and_the_best_is_blessed_as_version_1(trainer: Trainer) -> None:
    manifest = trainer.manifest(LEARNABLE)
    aucs = {family: metrics["roc_auc"] for family, metrics in manifest.candidates.items()}
    told = [data for data, cause in trainer.told if cause == LEARNABLE.cause]

    assert set(aucs) == {"linear", "deep", "boosted-trees"}
    assert manifest.metrics["roc_auc"] == max(aucs.values())
    assert min(aucs.values()) > 0.7
    assert [type(data) for data in told if not isinstance(data, TrialFinished)] == [
        CandidateTrained,
        CandidateTrained,
        CandidateTrained,
        ModelBlessed,
    ]
    assert isinstance(told[-1], ModelBlessed)
    assert (told[-1].version, told[-1].family, told[-1].champion) == (1, manifest.family, None)


def test_the_signature_is_raw_features_in_and_one_probability_out(served: Served) -> None:
    inputs = {
        name: (tensor.dtype, len(tensor.tensor_shape.dim)) for name, tensor in served.signature.inputs.items()
    }
    output = served.signature.outputs["probability"]

    assert inputs == {
        feature.name: (
            tf.float32.as_datatype_enum if feature.kind == "numeric" else tf.string.as_datatype_enum,
            1,
        )
        for feature in FEATURES
    }
    assert (output.dtype, len(output.tensor_shape.dim)) == (tf.float32.as_datatype_enum, 1)


def test_golden_rows_are_answered_as_in_training_and_one_has_nothing_but_gaps(
    trainer: Trainer, served: Served
) -> None:
    golden = trainer.manifest(LEARNABLE).golden

    answers = served.predict(**as_arrays(golden.inputs))

    assert len(answers) == 16
    np.testing.assert_allclose(answers, np.array(golden.outputs["probability"]), atol=1e-6)
    assert {name: values[-1] for name, values in golden.inputs.items()} == {
        feature.name: None if feature.kind == "numeric" else "" for feature in FEATURES
    }


def test_values_never_seen_in_training_get_a_probability_too(trainer: Trainer, served: Served) -> None:
    row = as_arrays({name: values[:1] for name, values in trainer.manifest(LEARNABLE).golden.inputs.items()})
    extremes = {"carrier": np.array(["Zürich"], object), "distance": np.array([3e38], np.float32)}

    (probability,) = served.predict(**{**row, **extremes})

    assert 0 < probability < 1


def test_the_savedmodel_answers_tensorflow_2_by_raw_names(trainer: Trainer) -> None:
    golden = trainer.manifest(LEARNABLE).golden
    loaded = tf.saved_model.load(trainer.store.uri(layout.model_version("flights", 1)))

    tensors_in = {name: tf.constant(values) for name, values in as_arrays(golden.inputs).items()}
    answers = loaded.signatures["serving_default"](**tensors_in)["probability"]

    np.testing.assert_allclose(answers, np.array(golden.outputs["probability"]), atol=1e-6)


def test_warmup_requests_lie_where_tf_serving_looks(trainer: Trainer) -> None:
    file = trainer.store.uri(f"{layout.model_version('flights', 1)}/assets.extra/tf_serving_warmup_requests")
    record, *_ = tf.compat.v1.io.tf_record_iterator(file)
    request = tfserving.PredictionLog.FromString(record).predict_log.request

    assert request.model_spec.name == "flights"
    assert set(request.inputs) == INPUTS
    assert {len(tensors.to_array(tensor)) for tensor in request.inputs.values()} == {1}


def test_a_model_worse_than_the_champion_is_rejected_and_not_put_where_it_could_be_served(
    trainer: Trainer,
) -> None:
    verdict, cause = trainer.told[-1]

    assert cause == NOISE.cause
    assert isinstance(verdict, ModelRejected)
    assert (verdict.version, verdict.champion) == (2, 1)
    assert {"below-threshold", "worse-than-champion"} <= {reason.code for reason in verdict.reasons}
    assert trainer.store.list(layout.model_version("flights", 2)) == []


def test_the_champion_is_measured_on_the_rows_of_the_newer_dataset(trainer: Trainer) -> None:
    metrics, champion_metrics = trainer.manifest(LEARNABLE).metrics, trainer.manifest(NOISE).champion_metrics

    assert champion_metrics is not None
    for metric in ("roc_auc", "log_loss", "rows"):  # both datasets hold out the same rows
        assert champion_metrics[metric] == pytest.approx(metrics[metric])


def test_blessed_and_rejected_models_have_a_card(trainer: Trainer) -> None:
    for training in (LEARNABLE, NOISE):
        manifest = trainer.manifest(training)
        name = layout.model_card("flights", training.model_id, "card.json")
        card = ModelCard.model_validate_json(trainer.store.read(name))
        page = trainer.store.read(layout.model_card("flights", training.model_id, "card.html")).decode()

        assert (card.version, card.family) == (manifest.version, manifest.family)
        assert card.reasons == manifest.reasons
        assert card.decision_threshold == manifest.decision_threshold
        assert card.findings is not None
        assert {part.condition for part in card.findings.slices} >= {"carrier = UA", "carrier = B6"}
        assert len(card.search.trials) >= 3
        assert ("Blessed" if manifest.blessed else "Rejected") in page


def test_the_manifest_says_what_was_learned_and_what_to_begin_with_next_time(trainer: Trainer) -> None:
    manifest = trainer.manifest(LEARNABLE)

    assert (manifest.task, manifest.classes, manifest.decides) == ("binary", (), "roc_auc")
    assert manifest.params.keys() == {"linear", "deep", "boosted-trees"}
    assert manifest.decision_threshold is not None
    assert 0 < manifest.decision_threshold < 1


def test_a_job_takes_the_place_of_one_that_was_killed_and_its_version(trainer: Trainer) -> None:
    names = trainer.store.list(layout.model_version("flights", 1))

    assert trainer.manifest(LEARNABLE).version == 1
    assert f"{layout.model_version('flights', 1)}/saved_model.pb" in names
    assert f"{layout.model_version('flights', 1)}/assets/half" not in names


def test_a_training_told_again_gives_neither_another_model_nor_another_version(trainer: Trainer) -> None:
    before = {name: trainer.store.stat(name).generation for name in trainer.store.list("")}

    trainer.train(LEARNABLE)

    assert {name: trainer.store.stat(name).generation for name in trainer.store.list("")} == before
