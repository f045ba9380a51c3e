"""Where a model is worst: parts of the rows, by one and two columns, whose losses are larger than elsewhere.

Every pair of columns is screened on a part of the rows; the most promising conditions are tested on all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.profile import ProfileModel, Task
from tidemill_trainer.evaluation.conditions import Conditions, conditions_on
from tidemill_trainer.evaluation.losses import LOSSES
from tidemill_trainer.evaluation.parts import AND
from tidemill_trainer.evaluation.scored import Columns, FloatArray, Indices, Scored
from tidemill_trainer.evaluation.welch import Sums, contrast, false_discovery

LOSS: Mapping[Task, str] = {"binary": "log_loss", "multiclass": "log_loss", "regression": "mae"}
MAX_ROWS = 100_000
# What screening may cost: rows it looks at, times pairs of columns.
MAX_ROW_PAIRS = 100_000_000
MAX_PAIRED_COLUMNS = 100
CANDIDATES = 200
CANDIDATES_PER_TABLE = 4
# A slice has so many rows, and such a share of all.
MIN_ROWS, MIN_SHARE = 100, 0.01
MOST = 10
MIN_EFFECT = 0.1
SIGNIFICANCE = 0.05


class WeakSlice(ProfileModel):
    """Rows on which a model is worse than on all others.

    `effect_size` is the difference of the mean losses in standard deviations. `p_value` is of Welch's test,
    one-sided, corrected for all that was looked at (Benjamini and Hochberg).
    """

    condition: str
    columns: tuple[str, ...]
    rows: int
    share: float
    loss: float
    loss_elsewhere: float
    effect_size: float
    p_value: float


@dataclass(frozen=True)
class _Candidate:
    """One condition, or two on different columns, with the t that screening expects of all rows."""

    t: float
    terms: tuple[tuple[Conditions, int], ...]

    def rows(self) -> NDArray[np.bool_]:
        where: NDArray[np.bool_] = np.logical_and.reduce([term.rows(place) for term, place in self.terms])
        return where


def find_weak_slices(scored: Scored, columns: Columns, *, seed: int = 0) -> tuple[WeakSlice, ...]:
    """Search for the slices where the loss per row (log loss, absolute error) is larger than elsewhere.

    Args:
        scored: Rows with finite answers; each counts once, whatever its weight. Beyond 100,000, so many are
            drawn at random, and the slices' `rows` are counted among these.
        columns: Their columns, `[rows]` each: numbers with NaN for missing, or texts with "" for missing.
        seed: Of the drawing.

    Returns:
        At most 10 slices by falling evidence; each one is worse even without the rows of those before it.
    """
    random = np.random.default_rng(seed)
    drawn = np.sort(random.permutation(len(scored))[:MAX_ROWS])
    rows = scored.take(drawn)
    losses = LOSSES[scored.task][LOSS[scored.task]](rows)
    if not losses.std():
        return ()
    standard = (losses - losses.mean()) / losses.std()
    least = max(MIN_ROWS, MIN_SHARE * len(rows))
    known = [conditions_on(name, values[drawn]) for name, values in columns.items()]
    candidates, tests = _screen([conditions for conditions in known if conditions], standard, least, random)
    chosen = islice(_select(candidates, tests, standard, least), MOST)
    return tuple(_describe(candidate, losses, effect, p_value) for candidate, effect, p_value in chosen)


def _screen(
    known: Sequence[Conditions], losses: FloatArray, least: float, random: np.random.Generator
) -> tuple[list[_Candidate], int]:
    """Return the most promising candidates, and how many conditions were looked at."""
    found, tests, strength = [], 0, {}
    for conditions in known:
        t = _table(conditions.codes, losses, conditions.members, np.ones((1, 1)), least)
        strength[conditions.column] = t.max()
        tests += int(np.isfinite(t).sum())
        found += [_Candidate(t[place], ((conditions, place[0]),)) for place in _largest(t)]
    paired = sorted(known, key=lambda conditions: -strength[conditions.column])[:MAX_PAIRED_COLUMNS]
    pairs = list(combinations(paired, 2))
    some = random.permutation(len(losses))[: MAX_ROW_PAIRS // max(len(pairs), 1)]
    share, some_losses = len(some) / len(losses), losses[some]
    codes = {conditions.column: conditions.codes[some] for conditions in paired}
    for first, second in pairs:
        both = codes[first.column] * second.members.shape[1] + codes[second.column]
        t = _table(both, some_losses, first.members, second.members, least * share)
        tests += int(np.isfinite(t).sum())
        found += [
            _Candidate(t[place] / np.sqrt(share), ((first, place[0]), (second, place[1])))
            for place in _largest(t)
        ]
    return sorted(found, key=lambda candidate: -candidate.t)[:CANDIDATES], tests


def _table(
    codes: Indices, losses: FloatArray, first: FloatArray, second: FloatArray, least: float
) -> FloatArray:
    """Return t of every combination of conditions; minus infinity where there are too few rows."""
    sums = Sums.by_code(codes, losses, first.shape[1] * second.shape[1])
    return contrast(sums.combined(first, second), sums.total(), least).t


def _largest(t: FloatArray) -> list[tuple[int, int]]:
    """Return the places of the largest t above zero."""
    places = np.argsort(t, axis=None)[-CANDIDATES_PER_TABLE:]
    return [divmod(int(place), t.shape[1]) for place in places if t.flat[place] > 0]


def _select(
    candidates: Sequence[_Candidate], tests: int, losses: FloatArray, least: float
) -> Iterator[tuple[_Candidate, float, float]]:
    """Yield what is significant, with its effect and corrected p-value, as long as it adds something."""
    if not candidates:
        return
    masks = [candidate.rows() for candidate in candidates]
    tested = contrast(_sums(masks, losses), _sums([np.ones(len(losses), np.bool_)], losses), least)
    p_values = false_discovery(tested.p_value, tests)
    left = np.ones(len(losses), np.bool_)
    for place in np.argsort(-tested.t, kind="stable"):
        if p_values[place] >= SIGNIFICANCE or tested.effect[place] < MIN_EFFECT:
            continue
        alone = contrast(_sums([masks[place] & left], losses), _sums([left], losses), least)
        if alone.effect[0] >= MIN_EFFECT and alone.p_value[0] < SIGNIFICANCE:
            left &= ~masks[place]
            yield candidates[place], float(tested.effect[place]), float(p_values[place])


def _sums(masks: Sequence[NDArray[np.bool_]], losses: FloatArray) -> Sums:
    inside = [losses[mask] for mask in masks]
    return Sums(
        np.array([float(len(values)) for values in inside]),
        np.array([values.sum() for values in inside]),
        np.array([values @ values for values in inside]),
    )


def _describe(candidate: _Candidate, losses: FloatArray, effect: float, p_value: float) -> WeakSlice:
    where = candidate.rows()
    return WeakSlice(
        condition=AND.join(term.texts[place] for term, place in candidate.terms),
        columns=tuple(term.column for term, _ in candidate.terms),
        rows=int(where.sum()),
        share=float(where.mean()),
        loss=float(losses[where].mean()),
        loss_elsewhere=float(losses[~where].mean()),
        effect_size=effect,
        p_value=p_value,
    )
