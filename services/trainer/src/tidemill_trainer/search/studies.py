"""What is known of each family's hyper-parameters, and what to try next of them."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, cast, runtime_checkable

import optuna

from tidemill_trainer.families import Examples, Learner, Params

# The first ones are drawn at random, to have something to go by.
RANDOM_TRIALS = 6
# Trials that tell what is usual, before one is given up for being worse than half of them at the same step.
UNPRUNED_TRIALS = 4
UNPRUNED_STEPS = 2
# A space in which everything was tried gives the same again and again.
REPEATS = 10


@runtime_checkable
class Experienced(Protocol):
    """A family that has more than one good first choice."""

    def quick(self, examples: Examples) -> Params:
        """Return a first choice for who has no time to spare."""

    def proposals(self, examples: Examples) -> Sequence[Params]:
        """Return what to try after the defaults, the most promising first; all of its space is named."""


@dataclass(frozen=True)
class Suggestion:
    """Hyper-parameters to try. `trial` is what Optuna knows them by."""

    params: Params
    trial: optuna.Trial


class Study:
    """One family's search, by a tree-structured Parzen estimator. Less of a value is better."""

    def __init__(self, learner: Learner, examples: Examples, *, seed: int) -> None:
        """Begin without knowing anything; `examples` are what the family's space depends on."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._learner, self._examples = learner, examples
        self._study = optuna.create_study(
            sampler=optuna.samplers.TPESampler(
                seed=seed, n_startup_trials=RANDOM_TRIALS, multivariate=True, constant_liar=True
            ),
            pruner=optuna.pruners.MedianPruner(UNPRUNED_TRIALS, UNPRUNED_STEPS),
        )
        self._tried: list[Params] = []
        for params in learner.proposals(examples) if isinstance(learner, Experienced) else ():
            self._study.enqueue_trial(dict(params))

    def know(self, params: Params, value: float | None) -> None:
        """Take in what came of hyper-parameters that were not suggested here, if they lie in the space.

        Without a value they were given up: they are not tried again.
        """
        self._tried.append(dict(params))
        if value is None:
            return
        fixed = optuna.trial.FixedTrial(dict(params))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._learner.suggest(cast("optuna.Trial", fixed), self._examples)
            known = optuna.trial.create_trial(
                params=fixed.params, distributions=fixed.distributions, value=value
            )
        except ValueError:
            return
        self._study.add_trial(known)

    def suggest(self) -> Suggestion | None:
        """Return what was not tried yet; None when there is nothing."""
        for _ in range(REPEATS):
            trial = self._study.ask()
            params = self._learner.suggest(trial, self._examples)
            if params not in self._tried:
                self._tried.append(dict(params))
                return Suggestion(params, trial)
            self._study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return None

    def tell(self, suggestion: Suggestion, value: float | None, *, pruned: bool = False) -> None:
        """Take in what came of a suggestion: a value, or None when it was pruned or failed."""
        states = optuna.trial.TrialState
        if value is not None:
            self._study.tell(suggestion.trial, value)
        else:
            self._study.tell(suggestion.trial, state=states.PRUNED if pruned else states.FAIL)
