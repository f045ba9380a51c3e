"""Gradient-boosted trees, by YDF, over encoded rows; missing values and categories are left to the trees."""

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import ydf

from tidemill_trainer.families import Curves, Examples, Params, Watch
from tidemill_trainer.families.quantile_loss import quantile_loss
from tidemill_trainer.families.trees import Trees, as_table, choose_tree_columns, learner_options
from tidemill_trainer.objective import Objective

if TYPE_CHECKING:
    import optuna

DEFAULTS: Params = {
    "max_trees": 500,
    "shrinkage": 0.1,
    "max_depth": 6,
    "min_examples": 10,
    "num_candidate_attributes_ratio": 0.5,
    "l2_regularization": 1.0,
    "use_hessian_gain": True,
    "categorical_algorithm": "RANDOM",
    "early_stopping_num_trees_look_ahead": 50,
    "growing_strategy": "LOCAL",
    "split_axis": "AXIS_ALIGNED",
    "subsample": 1.0,
}
MANY_ROWS = 10_000
# Of many rows: small trees in great number, whose leaves are where they help most.
FOR_MANY_ROWS: Params = {
    "max_trees": 1000,
    "shrinkage": 0.05,
    "growing_strategy": "BEST_FIRST_GLOBAL",
    "max_num_nodes": 16,
    "max_depth": -1,
}
# Of few rows: cuts across several numbers at once, or flat trees where there are not several.
OBLIQUE: Params = {
    "max_depth": 5,
    "split_axis": "SPARSE_OBLIQUE",
    "sparse_oblique_weights": "CONTINUOUS",
    "sparse_oblique_normalization": "NONE",
}
FLAT: Params = {"max_depth": 4}
# Losses written in Python take their time, and there is a forest for every quantile.
FOR_QUANTILES: Params = {
    "max_trees": 200,
    "shrinkage": 0.2,
    "categorical_algorithm": "CART",
    "early_stopping_num_trees_look_ahead": 20,
}
# Trees depend on the number of threads, which share the rows out: it is the same on every machine.
THREADS = 4
# What YDF is told beside them, where it is chosen.
CHOSEN = ("max_num_nodes", "sparse_oblique_weights", "sparse_oblique_normalization")


class BoostedTreesLearner:
    """Trains boosted trees; see `Learner`."""

    def supports(self, _objective: Objective) -> str | None:
        """Learn everything."""
        return None

    def defaults(self, examples: Examples) -> Params:
        """Return a good first choice for these rows."""
        if examples.objective.quantiles:
            return {**DEFAULTS, **FOR_QUANTILES}
        if len(examples) >= MANY_ROWS:
            return {**DEFAULTS, **FOR_MANY_ROWS}
        return {**DEFAULTS, **(OBLIQUE if len(examples.plan.number_titles) > 1 else FLAT)}

    def quick(self, examples: Examples) -> Params:
        """Return a first choice that takes a third of the time where rows are many."""
        is_usual = examples.objective.quantiles or len(examples) < MANY_ROWS
        return self.defaults(examples) if is_usual else DEFAULTS

    def proposals(self, examples: Examples) -> Sequence[Params]:
        """Return what was best on other data of this size and kind, beside the defaults."""
        if examples.objective.quantiles:
            return ()
        numbers, columns = len(examples.plan.number_titles), len(examples.plan.features)
        oblique = {**DEFAULTS, **OBLIQUE}
        if len(examples) < MANY_ROWS:
            small = {**DEFAULTS, **FOR_MANY_ROWS}
            return ({**DEFAULTS, **FLAT}, small) if numbers > 1 else (small,)
        larger = {**DEFAULTS, **FOR_MANY_ROWS, "max_num_nodes": 32}
        return (oblique, larger) if 2 * numbers > columns and numbers > 1 else (larger, DEFAULTS)

    def suggest(self, trial: "optuna.Trial", _examples: Examples) -> Params:
        """Choose from what is worth trying."""
        chosen: dict[str, bool | int | float | str] = {
            "max_trees": 1000,
            "early_stopping_num_trees_look_ahead": 50,
            "shrinkage": trial.suggest_float("shrinkage", 0.02, 0.2, log=True),
            "min_examples": trial.suggest_int("min_examples", 2, 50, log=True),
            "num_candidate_attributes_ratio": trial.suggest_float("num_candidate_attributes_ratio", 0.2, 1.0),
            "l2_regularization": trial.suggest_float("l2_regularization", 0.01, 20.0, log=True),
            "use_hessian_gain": trial.suggest_categorical("use_hessian_gain", [True, False]),
            "categorical_algorithm": trial.suggest_categorical("categorical_algorithm", ["RANDOM", "CART"]),
            "growing_strategy": trial.suggest_categorical("growing_strategy", ["LOCAL", "BEST_FIRST_GLOBAL"]),
            "split_axis": trial.suggest_categorical("split_axis", ["AXIS_ALIGNED", "SPARSE_OBLIQUE"]),
            "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        }
        if chosen["growing_strategy"] == "LOCAL":
            chosen["max_depth"] = trial.suggest_int("max_depth", 3, 9)
        else:
            chosen |= {"max_depth": -1, "max_num_nodes": trial.suggest_int("max_num_nodes", 8, 128, log=True)}
        if chosen["split_axis"] == "SPARSE_OBLIQUE":
            normalization = trial.suggest_categorical("sparse_oblique_normalization", ["NONE", "MIN_MAX"])
            chosen |= {"sparse_oblique_weights": "CONTINUOUS", "sparse_oblique_normalization": normalization}
        return chosen

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> Trees:
        """Train until the rows kept aside say that more trees do not help."""
        columns, levels = choose_tree_columns(learn), learn.objective.quantiles
        if learn.objective.task == "multiclass":
            # YDF takes no label that it has not seen in training.
            check = check.take(np.flatnonzero(np.isin(check.labels, learn.labels)))
        known = {name: params[name] for name in (*DEFAULTS, *CHOSEN) if name in params}
        chosen = {**(DEFAULTS if known else self.defaults(learn)), **known}
        tables = as_table(columns, learn), as_table(columns, check)
        models: list[Any] = []
        for loss in _losses(learn):
            share = (watch.stop_at - time.monotonic()) / max(len(levels) - len(models), 1)
            options = learner_options(columns, learn, seed, time.monotonic() + share)
            named = {**_named(chosen), **loss, "num_threads": THREADS}
            learner = ydf.GradientBoostedTreesLearner(**options, **named)
            models.append(learner.train(tables[0], valid=tables[1]))
        return Trees(
            family="boosted-trees",
            plan=learn.plan,
            objective=learn.objective,
            params={**chosen, **learn.objective.facts, "trees": sum(model.num_trees() for model in models)},
            curves=_curves(models, levels),
            models=models,
            columns=columns,
        )


def _losses(learn: Examples) -> Sequence[Mapping[str, Any]]:
    objective = learn.objective
    if objective.quantiles:
        return [{"loss": quantile_loss(level, learn.labels)} for level in objective.quantiles]
    return [{"loss": "POISSON"} if objective.loss == "poisson" else {}]


def _named(params: Params) -> dict[str, Any]:
    return {
        "num_trees": params["max_trees"],
        **{name: params[name] for name in params if name != "max_trees"},
    }


def _curves(models: Sequence[Any], levels: Sequence[float]) -> Curves:
    curves = {}
    for index, model in enumerate(models):
        log, of = model.training_logs(), f" of quantile {levels[index]:g}" if levels else ""
        curves[f"train_loss{of}"] = tuple(float(entry.training_evaluation.loss) for entry in log)
        curves[f"validation_loss{of}"] = tuple(float(entry.evaluation.loss) for entry in log)
    return curves
