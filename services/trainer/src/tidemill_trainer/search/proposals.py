"""What to try next, given all that is known, and what is being tried already."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from tidemill_contracts.training_spec import BASELINE, Family, Training
from tidemill_runtime.logs import get_logger
from tidemill_trainer.families import WITHOUT_TENSORFLOW, Learner, Params
from tidemill_trainer.search.ablation import useless_features
from tidemill_trainer.search.allocation import MANY_ROWS, SEARCHED_ON_FEW_ROWS, choose_family, contenders
from tidemill_trainer.search.attempts import Attempt, Origin, Outcome
from tidemill_trainer.search.bagging import BAG_SHARE, NOT_BAGGED, bag_seconds, can_be_bagged
from tidemill_trainer.search.board import Board
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.fitting import Fitted
from tidemill_trainer.search.lanes import can_run_beside
from tidemill_trainer.search.material import Material, NoScore
from tidemill_trainer.search.studies import Experienced, Study

# Of the time that is left when a model is asked for its useless features, so much may be spent on asking.
ASKING_SHARE = 0.1
MAX_ASKING_SECONDS = 60.0
# Trials may take no time that the clock tells.
LEAST_SECONDS = 1e-3


class Proposals:
    """Proposes attempts: each method is a source of them for `Lanes`."""

    def __init__(
        self,
        material: Material,
        training: Training,
        board: Board,
        *,
        load: Callable[[Family], Learner],
        champion_params: Mapping[str, Params],
        budget: Budget,
    ) -> None:
        """Prepare; see `search` for the arguments."""
        self._material, self._training, self._board = material, training, board
        self._stop_at, self._give_up_at = budget.search_until, budget.give_up_at
        self._load, self._champion_params = load, champion_params
        self._learners: dict[Family, Learner] = {}
        self._studies: dict[Family, Study] = {}
        self._exhausted: set[Family] = set()
        is_bagged = can_be_bagged(material, training)
        self._bag_limit = BAG_SHARE * (self._stop_at - time.monotonic()) if is_bagged else 0.0
        self._number = board.next_number
        chosen = dict.fromkeys([BASELINE, *training.families])
        # Families without TensorFlow come first: they train while it loads.
        self.families = sorted(chosen.keys() - {"ensemble"}, key=[*chosen].index)
        self.families.sort(key=lambda family: family not in WITHOUT_TENSORFLOW)
        self._firsts: list[tuple[Family, Origin]] = [(family, "default") for family in self.families]
        if training.is_searched:
            unsearched = SEARCHED_ON_FEW_ROWS if len(material.rows) >= MANY_ROWS else frozenset()
            again = (family for family in self.families if family not in unsearched)
            self._firsts += [(family, "champion") for family in again if family in champion_params]

    def learner(self, family: Family) -> Learner:
        """Return the learner of a family that something was proposed of."""
        return self._learners[family]

    def load_all(self) -> None:
        """Import every family, which only one thread may do at once; one that cannot be has failed."""
        for family in self.families:
            self._loaded(family)

    def tell(self, attempt: Attempt, outcome: Outcome) -> None:
        """Take in what came of an attempt that was proposed."""
        trial, study = outcome.trial, self._studies.get(attempt.family)
        if study is None or attempt.left_out:
            return
        value = None if trial.score is None else self._material.sign * trial.score
        if attempt.suggestion is not None:
            study.tell(attempt.suggestion, value, pruned=trial.state == "pruned")

    def study(self, family: Family) -> Study:
        """Return what is known of a family's hyper-parameters."""
        if family not in self._studies:
            study = Study(self.learner(family), self._material.parts[0].learn, seed=self._training.seed)
            for trial in self._board.trials:
                if trial.family == family and not trial.left_out:
                    value = None if trial.score is None else self._material.sign * trial.score
                    study.know(trial.params, value)
            self._studies[family] = study
        return self._studies[family]

    def first(self, running: Sequence[Attempt]) -> Attempt | None:
        """Propose every family with its defaults, and then with the champion's parameters."""
        for place, (family, origin) in enumerate(self._firsts):
            if can_run_beside(family, running):
                del self._firsts[place]
                attempt = self._first(family, origin)
                return attempt or self.first(running)
        return None

    def suggestion(self, running: Sequence[Attempt]) -> Attempt | None:
        """Propose what a study suggests, of a family that has time for it."""
        known = len(self._board.trials) + len(running)
        # The last one leaves useless features out.
        if self._training.trials is not None and known >= self._training.trials - 1:
            return None
        open_ones = [family for family in self._searched() if can_run_beside(family, running)]
        while open_ones:
            family = choose_family(open_ones, *self._spent(open_ones, running))
            suggestion = self.study(family).suggest()
            if suggestion is not None:
                return self._attempt(family, "search", suggestion.params, suggestion=suggestion)
            self._exhausted.add(family)
            open_ones.remove(family)
        return None

    def ablation(self, running: Sequence[Attempt]) -> Attempt | None:
        """Propose the best model without the features that do not help it, once."""
        was_made = any(trial.origin == "ablation" for trial in self._board.trials)
        # A model of the user's own may count on every feature.
        ranked = [family for family in self._board.ranked() if family != "custom"]
        if running or was_made or not ranked:
            return None
        best = self._board.best[ranked[0]]
        if best.fitted is None or not self._fits(best.trial.seconds):
            return None
        left_out = self._useless(best.fitted)
        get_logger().info("useless-features", family=ranked[0], names=left_out)
        if not left_out or not self._fits(best.trial.seconds):
            return None
        return self._attempt(ranked[0], "ablation", best.trial.params, left_out=left_out)

    def lost(self, running: Sequence[Attempt]) -> Attempt | None:
        """Propose to train again what an earlier job had found best: the best in any case, others in time."""
        busy = {attempt.family for attempt in running}
        has_one = bool(busy) or len(self._board.lost()) < len(self._board.best)
        for family in self._board.lost():
            trial = self._board.best[family].trial
            if family in busy or family not in self._learners or not can_run_beside(family, running):
                continue
            if not has_one or self._fits(trial.seconds):
                return self._attempt(
                    family, trial.origin, trial.params, repeats=trial, left_out=trial.left_out
                )
        return None

    def _first(self, family: Family, origin: Origin) -> Attempt | None:
        if self._board.has_made(family, origin) or (
            self._board.best and not self._fits(self._expected(family))
        ):
            return None
        if (learner := self._loaded(family)) is None:
            return None
        if (reason := learner.supports(self._material.objective)) is not None:
            self._board.failed[family] = reason
            return None
        examples = self._material.parts[0].learn
        if isinstance(learner, Experienced) and not self._training.is_searched:
            defaults = learner.quick(examples)
        else:
            defaults = learner.defaults(examples)
        if origin == "default":
            # Of little time, no family takes what the others need to be tried at all.
            left = 1 + sum(origin == "default" for _, origin in self._firsts)
            now = time.monotonic()
            return self._attempt(family, origin, defaults, stop_at=now + (self._stop_at - now) / left)
        known = {name: value for name, value in self._champion_params[family].items() if name in defaults}
        params = {**defaults, **known}
        return self._attempt(family, origin, params) if params != defaults else None

    def _useless(self, fitted: Fitted) -> tuple[str, ...]:
        max_seconds = min(MAX_ASKING_SECONDS, ASKING_SHARE * (self._stop_at - time.monotonic()))
        try:
            return useless_features(fitted, self._material, seed=self._training.seed, max_seconds=max_seconds)
        except ValueError as error:  # the metric is not defined for the rows that are asked about
            get_logger().warning("importance-not-measured", error=str(error))
            return ()

    def _loaded(self, family: Family) -> Learner | None:
        if family not in self._learners and family not in self._board.failed:
            try:
                self._learners[family] = self._load(family)
            except Exception as error:  # noqa: BLE001 - a module of the user's own may fail in any way
                get_logger().exception("family-not-loaded", family=family)
                self._board.failed[family] = f"{type(error).__name__}: {error}"[:1000]
        return self._learners.get(family)

    def _searched(self) -> list[Family]:
        """Return the families that are worth one more trial and have time, before all that has to follow."""
        following = sum(self._board.best[family].trial.seconds for family in self._board.lost())
        if ranked := self._board.ranked():
            following += self._expected(ranked[0])
            if ranked[0] not in NOT_BAGGED:
                following += min(self._bag_limit, bag_seconds(self._board.best[ranked[0]].trial.seconds))
        known = self._board.best.keys() & self._learners.keys() & set(self._training.families)
        values = {
            one: self._board.value(self._board.best[one]) for one in self._training.families if one in known
        }
        rows, kept = len(self._material.rows), len(self._material.kept)
        return [
            family
            for family in contenders(values, constant=self._constant, rows=rows, rows_kept=kept)
            if family not in self._exhausted and self._fits(self._expected(family) + following)
        ]

    @cached_property
    def _constant(self) -> float:
        """The value of the best constant answer."""
        objective, rows = self._material.objective, len(self._material.kept)
        answers = np.tile(np.asarray(objective.constant, np.float32), (rows, 1))
        try:
            return self._material.sign * self._material.score(answers if objective.width else answers[:, 0])
        except NoScore:
            return float("inf")

    def _spent(
        self, families: Sequence[Family], running: Sequence[Attempt]
    ) -> tuple[dict[Family, float], dict[Family, float]]:
        """Return what the search of each has taken, and what one more trial does: seconds, if they count."""
        counted = self._training.budget_seconds is None
        cost = {one: 1.0 if counted else max(self._expected(one), LEAST_SECONDS) for one in families}
        spent = {
            one: sum(1.0 if counted else trial.seconds for trial in self._board.searched(one))
            + cost[one] * sum(attempt.family == one for attempt in running)
            for one in families
        }
        return spent, cost

    def _expected(self, family: Family) -> float:
        return self._board.expected_seconds(family)

    def _fits(self, seconds: float) -> bool:
        return time.monotonic() + seconds < self._stop_at

    def _attempt(self, family: Family, origin: Origin, params: Params, **more: Any) -> Attempt:
        self._number += 1
        facts = {"stop_at": self._stop_at, "number": self._number - 1, **more}
        # Those without TensorFlow take next to no time once it is over, and there has to be some model.
        is_needed = family in WITHOUT_TENSORFLOW or "repeats" in more
        give_up_at = float("inf") if is_needed else self._give_up_at
        return Attempt(family=family, origin=origin, params=params, give_up_at=give_up_at, **facts)
