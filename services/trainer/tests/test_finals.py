"""Rules of the finals: what may be chosen is examined in any case, the rest as the budget allows."""

from pathlib import Path

import numpy as np
import pytest
from card_world import BROKEN
from stub_learner import StubTrained

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_contracts.training_spec import Family
from tidemill_trainer.examination import Contestant
from tidemill_trainer.finals import examine_in_time
from tidemill_trainer.objective import Objective
from tidemill_trainer.preprocessing.plan import Plan
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.finalists import Finalist
from tidemill_trainer.trainings import Candidate

FOREVER = Budget(search_until=float("inf"), ends_at=float("inf"), looking_seconds=0)
OVER = Budget(search_until=0, ends_at=0, looking_seconds=0)
LOSSES: dict[Family, float] = {"linear": 0.6, "deep": 0.4, "boosted-trees": 0.2, "ensemble": 0.3}
PLAN = Plan(features=(), numbers=(), moments=(), categories=(), hashed=(), texts=())
OBJECTIVE = Objective(task="binary", metric="log_loss")


def finalist(family: Family) -> Finalist:
    trained = StubTrained(family, {}, PLAN, OBJECTIVE)
    return Finalist(
        trained=trained, params={}, answers=np.zeros(0, np.float32), score=LOSSES[family], seconds=1
    )


def examined(budget: Budget, broken: tuple[Family, ...] = ()) -> tuple[list[str], list[str]]:
    """Return the families in the order of their examinations, and as they are returned."""
    asked: list[str] = []

    def examine(one: Finalist) -> Contestant:
        asked.append(one.family)
        defects = (BROKEN,) if one.family in broken else ()
        result = Candidate(family=one.family, metrics={}, params={}, curves={}, defects=defects, seconds=1)
        return Contestant(result, Path(), GoldenPredictions(inputs={}, outputs={}), one.trained)

    found = examine_in_time([*map(finalist, LOSSES)], examine, "log_loss", budget)
    return asked, [*found]


def test_with_time_all_are_examined_the_best_first_and_returned_in_their_order() -> None:
    assert examined(FOREVER) == (["boosted-trees", "linear", "ensemble", "deep"], [*LOSSES])


@pytest.mark.parametrize(
    ("broken", "asked"),
    [
        ((), ["boosted-trees", "linear"]),
        (("boosted-trees",), ["boosted-trees", "linear"]),
        (("boosted-trees", "linear"), ["boosted-trees", "linear", "ensemble"]),
    ],
    ids=["none", "the best", "the best and the linear one"],
)
def test_without_time_one_without_defects_and_the_linear_model_are_examined(
    broken: tuple[Family, ...], asked: list[str]
) -> None:
    assert examined(OVER, broken)[0] == asked
