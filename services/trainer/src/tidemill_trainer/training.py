"""One training, from the dataset to the committed manifest."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import DatasetManifest
from tidemill_contracts.pipeline import PipelineSpec, parse_pipeline
from tidemill_contracts.training_spec import Family
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectStore
from tidemill_runtime.sequence import Sequence
from tidemill_trainer.card.making import Told
from tidemill_trainer.champions import find_champion, load_champion
from tidemill_trainer.committing import commit
from tidemill_trainer.data import TrainingData, load_dataset, read_manifest
from tidemill_trainer.examination import Contestant, examine
from tidemill_trainer.families import Learner, Params, load_learner
from tidemill_trainer.finals import examine_in_time
from tidemill_trainer.judging.aside import read_aside
from tidemill_trainer.judging.fresh_server import NOWHERE, FreshServer, ServerPlace, fresh_server
from tidemill_trainer.judging.hearing import Court, Hearing, hear
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.judging.verdict import judge
from tidemill_trainer.search.budget import Budget, plan_budget
from tidemill_trainer.search.finalists import Finalist, Finalists
from tidemill_trainer.search.search import Before, NothingLearned, search
from tidemill_trainer.trainings import Training, Trainings, Trial


@dataclass(frozen=True, kw_only=True)
class _Work:
    """One training under way; `begun` is of `time.monotonic()`, `earlier` are trials of jobs before it."""

    trainings: Trainings
    training: Training
    manifest: DatasetManifest
    spec: PipelineSpec
    data: TrainingData
    folder: Path
    begun: float
    earlier: list[Trial]
    budget: Budget

    @property
    def store(self) -> ObjectStore:
        return self.trainings.store


def train(
    trainings: Trainings,
    training: Training,
    folder: Path,
    place: ServerPlace = NOWHERE,
    learners: Mapping[Family, Learner] = MappingProxyType({}),
    start_seconds: float = 0.0,
) -> None:
    """Search, judge and commit one model; nothing happens when its manifest exists already.

    `place` is where a model server comes from in which it is tried out; `learners` are to be taken for their
    families instead of those that learn in this process alone; `start_seconds` of the budget are over.

    The manifest is written last and only once: a model with a manifest is complete. A dataset that no family
    can learn from is rejected at once.
    """
    if trainings.manifest(training) is not None:
        return
    work = _prepare(trainings, training, folder, start_seconds)
    try:
        finalists = _search(work, learners)
    except NothingLearned as error:
        trainings.reject(training, Reason(code="nothing-learned", message=str(error)))
        return
    for family, reason in finalists.failed.items():
        get_logger().warning("family-left-out", family=family, reason=reason)
    with fresh_server(place, folder) as server:
        contestants = examine_in_time(
            finalists.members, partial(_examine, work), work.data.objective.metric, work.budget
        )
        unexamined = tuple(each.family for each in finalists.members if each.family not in contestants)
        court = _court(work, server, unexamined)
        hearing = hear(contestants, court)
    params: dict[str, Params] = {each.family: each.params for each in finalists.members if each.params}
    commit(work.store, _told(work, contestants, court, hearing), hearing.chosen, params)


def _prepare(trainings: Trainings, training: Training, folder: Path, start_seconds: float) -> _Work:
    begun, store = time.monotonic() - start_seconds, trainings.store
    manifest = read_manifest(store, training.pipeline, training.dataset_id)
    spec = parse_pipeline(store.read(layout.pinned_spec(training.pipeline, training.spec_digest))).spec
    data, earlier = load_dataset(store, manifest, spec), trainings.trials(training)
    return _Work(
        trainings=trainings,
        training=training,
        manifest=manifest,
        spec=spec,
        data=data,
        folder=folder,
        begun=begun,
        earlier=earlier,
        budget=plan_budget(
            spec.training,
            begun=begun,
            start_seconds=start_seconds,
            earlier=earlier,
            rows_held_out=len(data.held_out),
        ),
    )


def _search(work: _Work, learners: Mapping[Family, Learner]) -> Finalists:
    data, spec = work.data, work.spec
    if len(data.train) < data.rows_available:
        get_logger().warning("rows-sampled", rows_learned=len(data.train), rows_available=data.rows_available)
    champion = find_champion(work.store, work.training.pipeline)
    return search(
        data,
        spec,
        budget=work.budget,
        before=Before(work.earlier, champion.params if champion else {}),
        note=partial(work.trainings.add_trial, work.training),
        load=lambda family: learners.get(family) or load_learner(family, data, spec),
    )


def _examine(work: _Work, finalist: Finalist) -> Contestant:
    """Export and measure a finalist, and note what came of it."""
    data = work.data
    contestant = examine(finalist.trained, data, work.folder / finalist.family, seconds=finalist.seconds)
    facts: dict[str, int | str] = {"rows_learned": len(data.train), "rows_available": data.rows_available}
    if finalist.left_out:
        facts["left_out"] = ", ".join(finalist.left_out)
    params = {**contestant.result.params, **facts}
    result = contestant.result.model_copy(update={"params": params, "score": finalist.score})
    work.trainings.add_candidate(work.training, result)
    get_logger().info("candidate-trained", **result.model_dump(include={"family", "metrics", "seconds"}))
    return replace(contestant, result=result)


def _court(work: _Work, server: FreshServer, unexamined: tuple[str, ...]) -> Court:
    data, aside = work.data, read_aside(work.store, work.manifest, work.spec)
    if data.held_out_places is not None:
        aside = aside.take(data.held_out_places)
    return Court(
        data=work.training.data,
        model_id=work.training.model_id,
        held_out=HeldOut(data.held_out, data.features, data.objective, aside),
        spec=work.spec,
        champion=load_champion(work.store, work.training.pipeline, data, work.folder),
        server=server,
        unexamined=unexamined,
    )


def _told(work: _Work, contestants: Mapping[str, Contestant], court: Court, hearing: Hearing) -> Told:
    training = work.training
    return Told(
        training=training,
        manifest=work.manifest,
        spec=work.spec,
        data=work.data,
        version=Sequence(work.store, layout.MODEL_SEQUENCE, training.pipeline).allocate(training.model_id),
        candidates=[contestant.result for contestant in contestants.values()],
        case=hearing.case,
        reasons=judge(hearing.case, work.spec.blessing),
        champion=court.champion,
        not_served=hearing.not_served,
        restricted=court.held_out.aside.restricted,
        trials=work.trainings.trials(training),
        seconds=round(time.monotonic() - work.begun, 3),
        at=datetime.now(UTC),
    )
