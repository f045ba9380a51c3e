"""Whether probabilities mean what they say: what was promised and what was seen, bin by bin."""

import numpy as np
from numpy.typing import NDArray
from scipy import special  # type: ignore[import-untyped]

from tidemill_contracts.profile import ProfileModel
from tidemill_trainer.evaluation.binary import CALIBRATION_BINS
from tidemill_trainer.evaluation.ranking import Ranking
from tidemill_trainer.evaluation.scored import FloatArray, Scored

CONFIDENCE = 0.95


class ReliabilityBin(ProfileModel):
    """Rows of similar probability: the mean promised, the share that came true, Wilson's interval of it."""

    rows: int
    promised: float
    seen: float
    low: float
    high: float


class Reliability(ProfileModel):
    """Bins of about equally many rows, by rising probability, and the mean gap between promised and seen."""

    bins: tuple[ReliabilityBin, ...]
    calibration_error: float


def reliability(scored: Scored, *, bins: int = CALIBRATION_BINS) -> Reliability:
    """Hold probabilities against what happened.

    Args:
        scored: Rows with finite answers of a binary task, or of a multiclass one: then it is about the most
            likely class, and whether it was the true one.
        bins: How many there are at most; rows of one probability share a bin.
    """
    if scored.task == "multiclass":
        promised, seen = scored.answers.max(axis=1), scored.answers.argmax(axis=1) == scored.truth
    else:
        promised, seen = scored.answers, scored.truth
    ranking = Ranking(promised, seen)
    starts = ranking.bin_starts(bins)
    true, false = ranking.counts(scored.row_weights[None])
    rows = np.add.reduceat(np.add(*ranking.counts(np.ones((1, len(scored))))), starts, axis=1)[0]
    weight = np.add.reduceat(true + false, starts, axis=1)[0]
    means = np.add.reduceat((true + false) * ranking.scores, starts, axis=1)[0] / weight
    shares = np.add.reduceat(true, starts, axis=1)[0] / weight
    low, high = wilson(shares, rows, CONFIDENCE)
    table = zip(rows, means, shares, low, high, strict=True)
    return Reliability(
        bins=tuple(
            ReliabilityBin(rows=int(count), promised=mean, seen=share, low=least, high=most)
            for count, mean, share, least, most in reversed([*table])
        ),
        calibration_error=float(np.abs(means - shares) @ weight / weight.sum()),
    )


def wilson(
    shares: FloatArray, rows: NDArray[np.floating], confidence: float
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of Wilson's interval of shares of so many rows."""
    z = float(special.ndtri((1 + confidence) / 2))
    middle = (shares + z**2 / (2 * rows)) / (1 + z**2 / rows)
    margin = z * np.sqrt(shares * (1 - shares) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    return np.maximum(middle - margin, 0), np.minimum(middle + margin, 1)
