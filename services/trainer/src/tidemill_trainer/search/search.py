"""The search: every family as it is usually best, as the champion was, and then whatever promises more.

defaults, champion's  ->  suggestions, while they fit the time  ->  without useless features  ->
other folds of the best  ->  finalists
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.training_spec import Family, Training
from tidemill_runtime.logs import get_logger
from tidemill_trainer.data import TrainingData
from tidemill_trainer.families import Learner, Params, load_learner
from tidemill_trainer.families.ensemble import Ensemble, ensemble
from tidemill_trainer.search.ablation import is_no_worse
from tidemill_trainer.search.attempts import Attempt, Outcome, make
from tidemill_trainer.search.bagging import (
    LEAST_WEIGHT,
    NOT_BAGGED,
    Bagging,
    Division,
    can_be_bagged,
    divide,
)
from tidemill_trainer.search.board import Board, time_left
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.finalists import Corrector, Finalist, Finalists
from tidemill_trainer.search.lanes import Lanes, lanes_for
from tidemill_trainer.search.material import Material, make_material
from tidemill_trainer.search.proposals import Proposals
from tidemill_trainer.trainings import Trial

Note = Callable[[Trial], None]


@dataclass(frozen=True)
class Before:
    """Trials of earlier jobs that were cut short, which are not made again, and the champion's parameters.

    These are hyper-parameters to begin with, by family.
    """

    finished: Sequence[Trial] = ()
    champion_params: Mapping[str, Params] = field(default_factory=dict)


NOTHING_BEFORE = Before()


class NothingLearned(Exception):
    """No family could learn from the data; the message says why of each."""


def search(
    data: TrainingData,
    spec: PipelineSpec,
    *,
    budget: Budget,
    before: Before = NOTHING_BEFORE,
    note: Note = lambda _trial: None,
    load: Callable[[Family], Learner] | None = None,
) -> Finalists:
    """Find a good model of every family, on training rows alone.

    Args:
        data: What to learn.
        spec: Which families, and for how long.
        budget: When the last fit has to end.
        before: What is known already.
        note: Called as each trial ends.
        load: Returns the learner of a family.

    Raises:
        NothingLearned: No family could.
    """
    training = spec.training
    material = make_material(data, cross_validate=training.is_searched)
    board = Board(material.sign)
    for trial in before.finished:
        board.recall(trial)
    proposals = Proposals(
        material,
        training,
        board,
        load=load or (lambda family: load_learner(family, data, spec)),
        champion_params=before.champion_params,
        budget=budget,
    )
    return _Search(data, material, board, proposals, note, budget.search_until).run(training)


class _Search:
    """Takes in what comes of attempts, and ends with the best of them."""

    def __init__(
        self,
        data: TrainingData,
        material: Material,
        board: Board,
        proposals: Proposals,
        note: Note,
        stop_at: float,
    ) -> None:
        self._data, self._material, self._board, self._proposals = data, material, board, proposals
        self._corrector = Corrector(data, material.kept)
        self._division: Division | None = None
        self._note, self._stop_at = note, stop_at
        self._are_imported = threading.Event()

    def run(self, training: Training) -> Finalists:
        """Go from phase to phase."""
        proposals = self._proposals
        with Lanes(
            partial(self._make, training.seed), lanes_for(training, len(self._material.rows))
        ) as lanes:
            lanes.run(proposals.first, self._settle, meanwhile=self._import)
            if training.is_searched:
                lanes.run(proposals.suggestion, self._settle)
            lanes.run(proposals.lost, self._settle_lost)
            if training.is_searched:
                lanes.run(proposals.ablation, self._settle_ablation)
            if can_be_bagged(self._material, training):
                self._bag(lanes, training)
        members = self._members()
        failed = {name: why for name, why in self._board.failed.items() if name not in self._board.best}
        if not members:
            reasons = "; ".join(f"{family}: {reason}" for family, reason in sorted(failed.items()))
            raise NothingLearned(f"expected a family that learns, received {reasons}")
        if "ensemble" in training.families and len(members) > 1:
            members += self._ensemble(members)
        corrected = tuple(map(self._corrector.correct, members))
        return Finalists(members=corrected, kept=self._material.kept, failed=failed)

    def _import(self) -> None:
        try:
            import tensorflow as tf  # noqa: F401, PLC0415

            self._proposals.load_all()
        finally:
            self._are_imported.set()

    def _make(self, seed: int, attempt: Attempt) -> Outcome:
        return make(
            attempt,
            self._proposals.learner(attempt.family),
            self._division.of(attempt.fold) if self._division and attempt.fold else self._material,
            seed=seed + attempt.fold,
            are_imported=self._are_imported,
        )

    def _settle(self, attempt: Attempt, outcome: Outcome) -> None:
        self._board.add(attempt.family, outcome)
        self._proposals.tell(attempt, outcome)
        self._tell(outcome.trial)

    def _settle_ablation(self, attempt: Attempt, outcome: Outcome) -> None:
        larger = self._board.best[attempt.family]
        self._settle(attempt, outcome)
        if outcome.fitted and larger.fitted:
            is_kept = is_no_worse(outcome.fitted, larger.fitted, self._material)
            self._board.best[attempt.family] = outcome if is_kept else larger
            get_logger().info("ablation", left_out=attempt.left_out, is_kept=is_kept)

    def _settle_lost(self, attempt: Attempt, outcome: Outcome) -> None:
        if outcome.fitted:
            self._board.best[attempt.family] = outcome
        else:
            del self._board.best[attempt.family]
            self._board.failed[attempt.family] = (
                "expected the model of an earlier job again, it was not trained"
            )

    def _bag(self, lanes: Lanes, training: Training) -> None:
        """Train the best model's other folds, and those of whatever has much to say in the ensemble."""
        members = {member.family: member for member in self._members()}
        chosen = [family for family in self._board.ranked() if family in members][:1]
        if "ensemble" in training.families and len(members) > 1:
            mixture, _ = self._mixture([*members.values()])
            shares = zip(mixture.members, mixture.weights, strict=True)
            chosen += [member.family for member, weight in shares if weight > LEAST_WEIGHT]
        best = {family: self._board.best[family] for family in chosen if family not in NOT_BAGGED}
        left = self._stop_at - time.monotonic()
        if not best or min(outcome.trial.seconds for outcome in best.values()) > left:
            return
        self._division = divide(self._material, self._data)
        bagging = Bagging(best, self._division, stop_at=self._stop_at)
        lanes.run(bagging.next, bagging.settle)
        self._division = None
        self._board.best.update(bagging.results())

    def _tell(self, trial: Trial) -> None:
        trial = trial.model_copy(
            update={"metric": self._material.objective.metric, "seconds_left": time_left(self._stop_at)}
        )
        facts = trial.model_dump(
            include={"number", "family", "origin", "state", "score", "metric", "seconds", "is_cut_short"}
        )
        get_logger().info("trial-finished", **facts, detail=trial.message)
        self._note(trial)

    def _members(self) -> list[Finalist]:
        best = self._board.best
        return [
            Finalist(
                trained=outcome.fitted.trained,
                params=outcome.trial.params,
                answers=outcome.fitted.answers,
                score=outcome.fitted.score,
                seconds=outcome.trial.seconds,
                left_out=outcome.trial.left_out,
            )
            for outcome in (best[family] for family in self._proposals.families if family in best)
            if outcome.fitted
        ]

    def _ensemble(self, members: Sequence[Finalist]) -> list[Finalist]:
        """Return the best mixture of members; none when that is one of them alone."""
        begin = time.monotonic()
        trained, answers = self._mixture(members)
        if len(trained.members) == 1:
            get_logger().info("ensemble-is-one-model", family=trained.members[0].family)
            return []
        mixture = Finalist(
            trained=trained,
            params={},
            answers=answers,
            score=self._material.score(answers),
            seconds=round(time.monotonic() - begin, 3),
        )
        return [mixture]

    def _mixture(self, members: Sequence[Finalist]) -> tuple[Ensemble, NDArray[np.float32]]:
        rows, kept = self._material.rows, self._material.kept
        weights = None if rows.weights is None else rows.weights[kept]
        if self._material.objective.task == "multiclass":
            # A model that is too sure of itself would hardly be heard. One number corrects that; the curve of
            # a binary task could learn these few rows by heart.
            members = [*map(self._corrector.correct, members)]
        answered = [(member.trained, member.answers) for member in members]
        return ensemble(answered, rows.labels[kept], weights, self._material.objective)
