"""One training, from the dataset to the committed manifest."""

from datetime import UTC, datetime
from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import ModelManifest
from tidemill_contracts.pipeline import parse_pipeline
from tidemill_contracts.profile import Task
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_trainer.champions import load_champion
from tidemill_trainer.competition import Contestant, compete
from tidemill_trainer.data import load_dataset, read_manifest
from tidemill_trainer.trainings import Training, Trainings
from tidemill_trainer.verdict import Champion, choose, judge

# What the families learn, so far.
TASK: Task = "binary"


def train(trainings: Trainings, training: Training, folder: Path) -> None:
    """Train, judge and commit one model; nothing happens when its manifest exists already.

    The manifest is written last and only once: a model with a manifest is complete. A dataset that no family
    can learn from is rejected at once.
    """
    if trainings.manifest(training) is not None:
        return
    store = trainings.store
    manifest = read_manifest(store, training.pipeline, training.dataset_id)
    if manifest.task != TASK:
        message = f"expected a label for the task {TASK}, received one for {manifest.task}"
        trainings.reject(training, Reason(code="task-unsupported", message=message))
        return
    spec = parse_pipeline(store.read(layout.pinned_spec(training.pipeline, training.spec_digest))).spec
    data = load_dataset(store, manifest, seed=spec.training.seed)
    contestants: dict[str, Contestant] = {}
    for contestant in compete(spec.training.families, data, folder):
        trainings.add_candidate(training, contestant.result)
        get_logger().info(
            "candidate-trained", **contestant.result.model_dump(include={"family", "metrics", "seconds"})
        )
        contestants[contestant.result.family] = contestant
    best = choose(
        [contestants[family].result for family in spec.training.families], spec.blessing.metric or "roc_auc"
    )
    champion = load_champion(store, training.pipeline, data, folder)
    reasons = judge(best, spec.blessing, data=training.data, champion=champion)
    _commit(store, training, contestants, best.family, champion, reasons)


def _commit(
    store: ObjectStore,
    training: Training,
    contestants: dict[str, Contestant],
    winner: str,
    champion: Champion | None,
    reasons: tuple[Reason, ...],
) -> None:
    version = Sequence(store, layout.MODEL_SEQUENCE, training.pipeline).allocate(training.model_id)
    best = contestants[winner]
    manifest = ModelManifest(
        pipeline=training.pipeline,
        version=version,
        model_id=training.model_id,
        dataset=training.dataset,
        dataset_id=training.dataset_id,
        newest_span=training.newest_span,
        spec_digest=training.spec_digest,
        family=winner,
        metrics=best.result.metrics,
        candidates={family: contestant.result.metrics for family, contestant in contestants.items()},
        champion=champion.version if champion else None,
        champion_metrics=dict(champion.metrics) if champion else None,
        blessed=not reasons,
        reasons=reasons,
        golden=best.golden,
        trained_at=datetime.now(UTC),
        tracking={"experiment": training.pipeline, "tag": f"tidemill.model_id = '{training.model_id}'"},
    )
    # TF Serving may load whatever lies in a model's folder, so only what was blessed gets there.
    if manifest.blessed:
        upload_folder(store, layout.model_version(training.pipeline, version), best.folder)
    store.create(
        layout.model_manifest(training.pipeline, training.model_id), manifest.model_dump_json().encode()
    )
    get_logger().info("verdict", version=version, family=winner, reasons=[reason.code for reason in reasons])


def upload_folder(store: ObjectStore, prefix: str, folder: Path) -> None:
    """Move the files below a folder into the bucket, in the place of what a killed job left there."""
    for name in store.list(f"{prefix}/"):
        store.delete(name)
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        store.upload(f"{prefix}/{file.relative_to(folder).as_posix()}", file)
