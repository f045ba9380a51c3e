"""How the card speaks of metrics, families and intervals."""

from tidemill_runtime.figures import figure
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER

ROUNDING = 1e-12
METRICS = {
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "f1": "F1",
    "macro_f1": "macro F1",
    "mcc": "MCC",
    "rmse": "RMSE",
    "mae": "MAE",
    "mape": "MAPE",
    "rmsle": "RMSLE",
    "r2": "R²",
    "roc_auc_ovr": "ROC AUC (one vs rest)",
    "brier": "Brier score",
}


def metric(name: str) -> str:
    """Name a metric."""
    kind, _, levels = name.partition("_")
    if kind == "coverage":
        return f"rows within quantiles {levels.replace('_', ' to ')}"
    if kind == "below":
        return f"rows below quantile {levels}"
    return METRICS.get(name, name.replace("_", " "))


def number(value: float) -> str:
    """Write a number; what is left of rounding is zero."""
    return figure(value) if abs(value) > ROUNDING else "0"


def direction(name: str) -> str:
    """Say which way a metric is better; empty when neither is."""
    if name not in HIGHER_IS_BETTER:
        return ""
    return "↑" if HIGHER_IS_BETTER[name] else "↓"


def between(estimate: Estimate) -> str:
    """Write an interval."""
    return f"{number(estimate.low)} to {number(estimate.high)}"


def signed(value: float) -> str:
    """Write a difference."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}") if abs(value) > ROUNDING else "0"


def chance(p_value: float) -> str:
    """Write a p-value."""
    text = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.2g}"
    return text.replace(" ", "\N{NO-BREAK SPACE}")
