"""Whether a model needs all of its features."""

from tidemill_trainer.evaluation.comparison import compare
from tidemill_trainer.evaluation.importance import Effort, permutation_importance
from tidemill_trainer.evaluation.influence import measurable
from tidemill_trainer.search.fitting import Fitted
from tidemill_trainer.search.material import Material

REPEATS = 3
MEASURED_ROWS = 5_000


def useless_features(fitted: Fitted, material: Material, *, seed: int, max_seconds: float) -> tuple[str, ...]:
    """Name the features without which the model of the first part answers its kept rows as well; never all.

    Those for which there is no time are none.
    """
    model, kept = fitted.models[0], material.parts[0].kept[:MEASURED_ROWS]
    columns = material.rows.take(kept).columns()
    read = [feature.name for feature in model.plan.features]
    scored = material.scored(model.predict(columns), kept)
    metric = measurable(scored, material.objective.metric)
    if metric is None:
        return ()
    importance = permutation_importance(
        model.predict,
        scored,
        {name: columns[name] for name in read},
        metric=metric,
        effort=Effort(repeats=REPEATS, max_rows=MEASURED_ROWS, max_seconds=max_seconds, seed=seed),
    )
    useless = tuple(feature.name for feature in importance.features if feature.is_useless)
    return useless if len(useless) < len(read) else ()


def is_no_worse(smaller: Fitted, larger: Fitted, material: Material) -> bool:
    """Say whether a model loses less than chance explains: one standard error of the difference."""
    metric = material.objective.metric
    comparison = compare(material.scored(smaller.answers), material.scored(larger.answers), metric)
    if comparison is None:
        return material.sign * smaller.score <= material.sign * larger.score
    return comparison.gain.value >= -comparison.gain.standard_error
