"""Random forests, by YDF, over encoded rows."""

from typing import TYPE_CHECKING

import ydf

from tidemill_trainer.families import Examples, Params, Watch
from tidemill_trainer.families.trees import Trees, as_table, choose_tree_columns, learner_options
from tidemill_trainer.objective import Objective

if TYPE_CHECKING:
    import optuna

# Deeper and larger forests gain little, and their SavedModels and answers grow with every node.
DEFAULTS: Params = {
    "max_trees": 100,
    "max_depth": 14,
    "min_examples": 5,
    "num_candidate_attributes_ratio": -1.0,
}


class RandomForestLearner:
    """Trains random forests; see `Learner`."""

    def supports(self, objective: Objective) -> str | None:
        """Learn classes and means."""
        if objective.quantiles:
            return (
                "expected a mean or classes to learn, received quantiles: a random forest answers with means"
            )
        if objective.loss == "poisson":
            return "expected the loss squared, received poisson: a random forest minimises squares alone"
        return None

    def defaults(self, _examples: Examples) -> Params:
        """Return a good first choice for these rows."""
        return DEFAULTS

    def suggest(self, trial: "optuna.Trial", _examples: Examples) -> Params:
        """Choose from what is worth trying."""
        return {
            "max_trees": 100,
            "max_depth": trial.suggest_int("max_depth", 8, 18),
            "min_examples": trial.suggest_int("min_examples", 2, 50, log=True),
            "num_candidate_attributes_ratio": trial.suggest_float("num_candidate_attributes_ratio", 0.1, 1.0),
        }

    def fit(self, learn: Examples, _check: Examples, params: Params, seed: int, watch: Watch) -> Trees:
        """Train; the rows kept aside are not looked at."""
        columns = choose_tree_columns(learn)
        chosen = {**DEFAULTS, **{name: params[name] for name in DEFAULTS if name in params}}
        named = {**chosen, "num_trees": chosen["max_trees"]}
        del named["max_trees"]
        options = learner_options(columns, learn, seed, watch.stop_at)
        if learn.objective.task != "regression":
            # Trees that answer with shares, not with their most frequent class alone.
            options["winner_take_all"] = False
        learner = ydf.RandomForestLearner(**options, **named, compute_oob_performances=False)
        model = learner.train(as_table(columns, learn))
        return Trees(
            family="random-forest",
            plan=learn.plan,
            objective=learn.objective,
            params={**chosen, **learn.objective.facts, "trees": model.num_trees()},
            curves={},
            models=[model],
            columns=columns,
        )
