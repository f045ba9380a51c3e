"""Which finalists are examined: what may be chosen in any case, all others where there is time."""

import time
from collections.abc import Callable, Sequence

from tidemill_contracts.training_spec import BASELINE
from tidemill_runtime.logs import get_logger
from tidemill_trainer.evaluation.metrics import sign_of
from tidemill_trainer.examination import Contestant
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.finalists import Finalist


def examine_in_time(
    finalists: Sequence[Finalist], examine: Callable[[Finalist], Contestant], metric: str, budget: Budget
) -> dict[str, Contestant]:
    """Examine finalists, in the order of their scores; return contestants by family, in the given order.

    The best without defects and the linear model are examined in any case: one of them is chosen.
    """
    best, *others = sorted(finalists, key=lambda each: -sign_of(metric) * each.score)
    others.sort(key=lambda each: each.family != BASELINE)
    found: dict[str, Contestant] = {}
    took: list[float] = []
    for finalist in (best, *others):
        is_needed = finalist.family == BASELINE or all(each.result.defects for each in found.values())
        if not is_needed and not budget.has_time(took):
            get_logger().warning("finalist-not-examined", family=finalist.family, detail="there was no time")
            continue
        begin = time.monotonic()
        found[finalist.family] = examine(finalist)
        took.append(time.monotonic() - begin)
    return {each.family: found[each.family] for each in finalists if each.family in found}
