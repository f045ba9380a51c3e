"""Whose hyper-parameters are searched: the best family's, for most of the time, and those of its equals."""

from collections.abc import Mapping, Sequence

from tidemill_contracts.training_spec import Family

BEST_SHARE = 0.7
# What a search may still make good, as a share of what the best family gains over the best constant: this
# much or, where few rows tell them apart, what chance explains.
SPREAD = 0.01
MANY_ROWS = 10_000
# Of many rows, more trials of these gain nothing that others do not gain sooner.
SEARCHED_ON_FEW_ROWS: frozenset[Family] = frozenset({"linear", "random-forest"})


def contenders(values: Mapping[Family, float], *, constant: float, rows: int, rows_kept: int) -> list[Family]:
    """Return the families that are worth more trials, the best one first.

    Args:
        values: The best of each; less is better.
        constant: The value of the best constant answer, infinite where it is not known.
        rows: How many there are to learn from, and to check on.
        rows_kept: How many the values are of.
    """
    ranked = sorted(values, key=values.__getitem__)
    if not ranked:
        return []
    best = values[ranked[0]]
    allowed = max(SPREAD, rows_kept**-0.5) * max(constant - best, 0.0)
    few = rows < MANY_ROWS
    others = (family for family in ranked[1:] if few or family not in SEARCHED_ON_FEW_ROWS)
    return [ranked[0], *(family for family in others if values[family] - best <= allowed)]


def choose_family(
    ranked: Sequence[Family], spent: Mapping[Family, float], cost: Mapping[Family, float]
) -> Family:
    """Return the family to try next: the first, unless one more trial of another keeps within its share.

    Args:
        ranked: Those that can be tried, at least one, the best first.
        spent: What was spent on the search of each.
        cost: What one more trial takes, above 0.
    """
    total = sum(spent.values())
    for family in ranked[1:]:
        share = (1 - BEST_SHARE) / (len(ranked) - 1)
        if spent[family] + cost[family] <= share * (total + cost[family]):
            return family
    return ranked[0]
