"""Metrics of predicted quantiles: what each row adds to them, as all of them are means over rows."""

from collections.abc import Sequence

import numpy as np

from tidemill_trainer.evaluation.scored import FloatArray, Scored


def quantile_shares(scored: Scored) -> dict[str, FloatArray]:
    """Return what every row adds, `[rows]` by metric; nothing for answers that are not quantiles.

    Returns:
        `pinball_loss`, smallest for the true quantiles, averaged over them; `below_0.9`, the share of labels
        at or below an answer, which should be its level; `coverage_0.1_0.9`, the share within two answers
        as far from the median, which should be the difference of their levels. `baseline_pinball_loss` is
        that of the constant, if one is given.
    """
    levels = scored.quantiles
    if not levels:
        return {}
    below = scored.truth[:, None] <= scored.answers
    shares = {"pinball_loss": pinball_losses(scored.truth, scored.answers, levels)}
    if scored.constant:
        constant = np.array(scored.constant)[None]
        shares["baseline_pinball_loss"] = pinball_losses(scored.truth, constant, levels)
    for place, level in enumerate(levels):
        shares[f"below_{level:g}"] = below[:, place].astype(np.float64)
    for low in range(len(levels) // 2):
        high = len(levels) - 1 - low
        within = below[:, high] & (scored.truth >= scored.answers[:, low])
        shares[f"coverage_{levels[low]:g}_{levels[high]:g}"] = within.astype(np.float64)
    return shares


def pinball_losses(truth: FloatArray, answers: FloatArray, levels: Sequence[float]) -> FloatArray:
    """Return what the answers, `[rows, quantiles]`, are off, counted by their levels, `[rows]`."""
    short = truth[:, None] - answers
    weights = np.array(levels)
    losses: FloatArray = np.maximum(weights * short, (weights - 1) * short).mean(axis=1)
    return losses
