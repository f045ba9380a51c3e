"""The ways to ask a model, by task.

    serving_default    raw columns                          the answers
    examples           `examples`: serialised tf.Examples   the answers
    classification     `inputs`: the same                   every class and its score, for Classify
    regression         `inputs`: the same                   one number, for Regress
    explain            raw columns                          what each feature adds to the answer

`classification` and `regression` are what Estimators called them. Raw columns are `[rows]`: float32 with NaN
for missing, or string with "" for missing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import tensorflow as tf

from tidemill_contracts.profile import Feature, Profile
from tidemill_trainer.data import NUMBER, dtype_of
from tidemill_trainer.explain import Explanation
from tidemill_trainer.export.answers import class_names, classified, predicted, regressed
from tidemill_trainer.export.examples import read_examples
from tidemill_trainer.export.saved_model import Signature
from tidemill_trainer.objective import Objective

DEFAULT, EXAMPLES, CLASSIFICATION, REGRESSION, EXPLAIN = (
    "serving_default",
    "examples",
    "classification",
    "regression",
    "explain",
)

Answer = Callable[[Mapping[str, Any]], Any]


def raw_inputs(features: Sequence[Feature]) -> Mapping[str, tf.TensorSpec]:
    """Return the tensors that features come in."""
    return {
        feature.name: tf.TensorSpec([None], tf.float32 if dtype_of(feature) == NUMBER else tf.string)
        for feature in features
    }


def signatures(
    features: Sequence[Feature],
    profile: Profile,
    objective: Objective,
    answer: Answer,
    explain: Callable[[Mapping[str, Any]], Explanation],
) -> Iterator[Signature]:
    """Yield every signature of a model; `answer` and `explain` take raw columns."""
    raw, serialized = raw_inputs(features), tf.TensorSpec([None], tf.string)

    def of_examples(
        input_name: str, outputs: Callable[[Objective, Any], Mapping[str, Any]]
    ) -> Mapping[str, Any]:
        return {
            "inputs": {input_name: serialized},
            "answer": lambda inputs: outputs(
                objective, answer(read_examples(inputs[input_name], features, profile))
            ),
        }

    yield Signature(DEFAULT, raw, lambda inputs: predicted(objective, answer(inputs)))
    yield Signature(EXAMPLES, **of_examples("examples", predicted))
    if objective.task != "regression":
        yield Signature(CLASSIFICATION, **of_examples("inputs", classified), method="classify")
    if objective.task != "multiclass":
        yield Signature(REGRESSION, **of_examples("inputs", regressed), method="regress")
    yield Signature(EXPLAIN, raw, lambda inputs: _explained(objective, features, explain(inputs)))


def _explained(
    objective: Objective, features: Sequence[Feature], explanation: Explanation
) -> Mapping[str, Any]:
    names = tf.constant([feature.name for feature in features])
    outputs = {
        "attributions": explanation.attributions,
        "features": tf.broadcast_to(names, tf.shape(explanation.attributions)),
        "baseline": explanation.baseline,
        "answer": explanation.answer,
    }
    if objective.task == "multiclass":
        outputs["class"] = class_names(objective, explanation.chosen)
    return outputs
