"""Exact probabilities of counts: how often chance alone gives what was seen, or more."""

import math
from collections.abc import Iterator

# A further term that adds less than this part of the sum no longer matters.
NEGLIGIBLE = 1e-16


def more_often(hits: int, tries: int, other_hits: int, other_tries: int) -> float:
    """Return the probability of at least so many hits here if hits fall on all tries alike: Fisher's test."""
    all_hits, all_tries = hits + other_hits, tries + other_tries
    if hits * all_tries <= all_hits * tries:
        return 1.0
    most = min(all_hits, tries)
    log_first = (
        _log_choose(tries, hits) + _log_choose(other_tries, other_hits) - _log_choose(all_tries, all_hits)
    )
    ratios = (
        (tries - here) * (all_hits - here) / ((here + 1) * (other_tries - all_hits + here + 1))
        for here in range(hits, most)
    )
    return min(1.0, math.exp(log_first) * _sum_of_products(ratios))


def at_least(hits: int, tries: int, share: float) -> float:
    """Return the probability of so many hits or more in tries that each hit with probability `share`."""
    if hits <= tries * share:
        return 1.0
    log_first = _log_choose(tries, hits) + hits * math.log(share) + (tries - hits) * math.log1p(-share)
    odds = share / (1 - share)
    ratios = ((tries - here) / (here + 1) * odds for here in range(hits, tries))
    return min(1.0, math.exp(log_first) * _sum_of_products(ratios))


def _log_choose(total: int, chosen: int) -> float:
    return math.lgamma(total + 1) - math.lgamma(chosen + 1) - math.lgamma(total - chosen + 1)


def _sum_of_products(ratios: Iterator[float]) -> float:
    """Return 1 + r1 + r1 r2 + ...: above the mean each term is smaller than the one before."""
    term = total = 1.0
    for ratio in ratios:
        term *= ratio
        total += term
        if term < NEGLIGIBLE * total:
            break
    return total
