"""Rules of what boosted trees begin with: by the number of rows, and by how much time there is."""

import numpy as np
import pytest

from tidemill_contracts.profile import Feature, FeatureOptions
from tidemill_trainer.families import Examples
from tidemill_trainer.families.boosted_trees import BoostedTreesLearner
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.encoded import Encoded
from tidemill_trainer.preprocessing.plan import Number, Plan
from tidemill_trainer.search.studies import Experienced, Study


def examples_of(rows: int, *, numbers: int = 3, categories: int = 0) -> Examples:
    names = [f"number {place}" for place in range(numbers)]
    features = [
        *(Feature(name=name, kind="numeric") for name in names),
        *(Feature(name=f"category {place}", kind="categorical") for place in range(categories)),
    ]
    plan = Plan(
        features=(*features,),
        numbers=tuple(Number(name, FeatureOptions(), None, gaps=False) for name in names),
        moments=(),
        categories=(),
        hashed=(),
        texts=(),
    )
    encoded = Encoded(
        np.zeros((rows, numbers), np.float32), np.zeros((rows, 0), np.int32), np.zeros((rows, 0, 0), np.int32)
    )
    objective = Objective(task="binary", metric="roc_auc")
    return Examples(plan, encoded, np.arange(rows) % 2 == 0, None, objective)


@pytest.mark.parametrize(
    ("examples", "axis", "depth"),
    [
        (examples_of(500), "AXIS_ALIGNED", 4),
        (examples_of(500, numbers=1), "AXIS_ALIGNED", -1),
        (examples_of(10_000), "SPARSE_OBLIQUE", 5),
        (examples_of(10_000, categories=9), "AXIS_ALIGNED", -1),
    ],
)
def test_what_was_best_on_such_data_is_tried_after_the_defaults(
    examples: Examples, axis: str, depth: int
) -> None:
    learner = BoostedTreesLearner()
    study = Study(learner, examples, seed=1)
    study.know(learner.defaults(examples), 0.5)

    first = study.suggest()

    assert isinstance(learner, Experienced)
    assert first is not None
    assert (first.params["split_axis"], first.params["max_depth"]) == (axis, depth)
    assert {**first.params, "max_trees": 0} == {**learner.proposals(examples)[0], "max_trees": 0}


def test_all_proposals_are_tried_and_then_others() -> None:
    learner, examples = BoostedTreesLearner(), examples_of(500)
    study = Study(learner, examples, seed=1)

    tried = [suggestion.params for _ in range(4) if (suggestion := study.suggest())]

    proposed = [{**params, "max_trees": 1000} for params in learner.proposals(examples)]
    assert tried[: len(proposed)] == proposed
    assert all(params not in proposed for params in tried[len(proposed) :])


def test_who_is_in_haste_has_fewer_trees_of_many_rows_and_the_same_of_few() -> None:
    learner, many, few = BoostedTreesLearner(), examples_of(10_000), examples_of(500)

    assert learner.quick(few) == learner.defaults(few)
    assert (learner.quick(many)["max_trees"], learner.defaults(many)["max_trees"]) == (500, 1000)
