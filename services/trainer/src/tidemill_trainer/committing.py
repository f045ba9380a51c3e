"""The end of a training: the card, the SavedModel where TF Serving finds it, and then the manifest."""

from pathlib import Path

from tidemill_contracts import layout
from tidemill_contracts.manifest import ModelManifest
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.making import Told, make_card
from tidemill_trainer.card.page import render
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.examination import Contestant
from tidemill_trainer.families import Params


def commit(store: ObjectStore, told: Told, chosen: Contestant, params: dict[str, Params]) -> None:
    """Write down what became of a training; the manifest is last, and only once.

    Args:
        store: The bucket.
        told: The training and its verdict.
        chosen: The contestant that it is about.
        params: What to begin the next search with, by family.
    """
    card = make_card(told, chosen.result.family)
    manifest = _manifest(told, chosen, params, card)
    _write_card(store, card)
    # TF Serving may load whatever lies in a model's folder, so only what was blessed gets there.
    if manifest.blessed:
        upload_folder(store, layout.model_version(manifest.pipeline, manifest.version), chosen.folder)
    store.create(
        layout.model_manifest(manifest.pipeline, manifest.model_id), manifest.model_dump_json().encode()
    )
    reasons = [reason.code for reason in manifest.reasons]
    get_logger().info("verdict", version=manifest.version, family=manifest.family, reasons=reasons)


def upload_folder(store: ObjectStore, prefix: str, folder: Path) -> None:
    """Move the files below a folder into the bucket, in the place of what a killed job left there."""
    for name in store.list(f"{prefix}/"):
        store.delete(name)
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        store.upload(f"{prefix}/{file.relative_to(folder).as_posix()}", file)


def _manifest(told: Told, chosen: Contestant, params: dict[str, Params], card: ModelCard) -> ModelManifest:
    training, objective, champion = told.training, told.data.objective, told.champion
    compared = champion.answers if champion else None
    return ModelManifest(
        **training.model_dump(
            include={"pipeline", "model_id", "dataset", "dataset_id", "newest_span", "spec_digest"}
        ),
        version=told.version,
        family=chosen.result.family,
        metrics=chosen.result.metrics,
        candidates={candidate.family: candidate.metrics for candidate in told.candidates},
        champion=champion.manifest.version if champion else None,
        champion_metrics=measure_scored(told.data.scored(compared)) if compared is not None else None,
        blessed=card.blessed,
        reasons=card.reasons,
        golden=chosen.golden,
        trained_at=told.at,
        tracking={"experiment": training.pipeline, "tag": f"tidemill.model_id = '{training.model_id}'"},
        task=objective.task,
        classes=objective.classes,
        decides=objective.metric,
        params={family: dict(found) for family, found in params.items()},
        decision_threshold=card.decision_threshold,
    )


def _write_card(store: ObjectStore, card: ModelCard) -> None:
    """Write both forms of a card, over what a killed job left."""
    for file, text in (("card.json", card.model_dump_json()), ("card.html", render(card))):
        store.write(layout.model_card(card.pipeline, card.model_id, file), text.encode())
