"""The rules of the verdict one by one, held or broken, as a person reads them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tidemill_contracts.events import Reason
from tidemill_contracts.training_spec import BASELINE, Blessing
from tidemill_trainer.card.content import Check
from tidemill_trainer.evaluation.metrics import limit_text
from tidemill_trainer.judging.findings import Findings
from tidemill_trainer.judging.verdict import MIB, Case, min_metrics, told

NAMES = {
    "below-threshold": "Thresholds",
    "not-better-than-constant": "Better than a constant",
    "stale-dataset": "Newest data",
    "worse-than-champion": "No worse than the champion",
    "slice-below-threshold": "Thresholds in every slice",
    "slice-worse-than-champion": "No slice worse than the champion",
    "unfair": "Groups treated alike",
    "not-finite": "Finite weights and answers",
    "too-large": "Size",
    "too-slow": "Latency",
}
LINEAR = "Better than a linear model"
LOADS = "Loads and answers in a model server"

# State and detail of a rule that was not broken.
Held = tuple[str, str]


def list_checks(
    case: Case, blessing: Blessing, reasons: Sequence[Reason], not_served: str
) -> tuple[Check, ...]:
    """Return every rule with what was found, broken ones with their reasons.

    `not_served` says why no model server was asked; empty when one was.
    """
    broken: dict[str, list[str]] = defaultdict(list)
    for reason in reasons:
        broken[reason.code].append(reason.message)
    held = {} if case.findings is None else _held(case, case.findings, blessing, not_served)
    known = {code: NAMES.get(code, code) for code in (*broken, *held)}
    return tuple(
        Check(name=name, state="broken", details=tuple(broken[code]))
        if code in broken
        else Check.model_validate({"name": name, "state": held[code][0], "details": [held[code][1]]})
        for code, name in known.items()
    )


def _held(case: Case, findings: Findings, blessing: Blessing, not_served: str) -> Mapping[str, Held]:
    return {
        "below-threshold": _thresholds(findings, blessing),
        "not-better-than-constant": _constant(findings),
        LINEAR: _linear(findings, blessing),
        "worse-than-champion": _champion(case, findings),
        "stale-dataset": _newest(case),
        "slice-below-threshold": _slice_thresholds(findings, blessing),
        "slice-worse-than-champion": _slice_regression(case, findings, blessing),
        "unfair": _fairness(findings, blessing),
        "not-finite": ("held", case.ranges),
        "too-large": ("held", f"{case.size_bytes / MIB:.1f} of {blessing.max_size_mib:g} MiB"),
        **_served(case, blessing, not_served),
    }


def _served(case: Case, blessing: Blessing, not_served: str) -> dict[str, Held]:
    served = case.served
    if served is None:
        return dict.fromkeys(("too-slow", LOADS), ("skipped", not_served))
    return {
        "too-slow": (
            "held",
            f"{served.p95_ms:.2g} of {blessing.max_latency_ms:g} ms for one row, at the 95th percentile",
        ),
        LOADS: (
            "held",
            f"golden rows are answered as in training; it loads within {served.load_seconds:.2g} s",
        ),
    }


def _thresholds(findings: Findings, blessing: Blessing) -> Held:
    metrics, limits = findings.held_out.metrics, min_metrics(findings.task, blessing)
    if not limits:
        return "skipped", "The spec sets none."
    told_limits = (
        f"{metric} {metrics[metric].value:.4g} {limit_text(metric, limit)}"
        for metric, limit in limits.items()
    )
    return "held", ", ".join(told_limits)


def _constant(findings: Findings) -> Held:
    comparison = findings.held_out.comparisons.get("constant")
    return ("held", f"{comparison.metric} {told(comparison)}") if comparison else ("held", "")


def _linear(findings: Findings, blessing: Blessing) -> Held:
    comparison = findings.held_out.comparisons.get(BASELINE)
    if comparison is None:
        return "skipped", "It is the linear model, or there is none to compare with."
    wanted = f", at least {blessing.min_gain_over_baseline:g}" if blessing.min_gain_over_baseline else ""
    return "held", f"{comparison.metric} {told(comparison)}{wanted}"


def _champion(case: Case, findings: Findings) -> Held:
    comparison = findings.held_out.comparisons.get("champion")
    if case.incumbent is None:
        return "skipped", "There is no champion yet."
    if comparison is None:
        return "skipped", f"{findings.decides} is not defined for both models."
    return "held", f"{findings.decides} {told(comparison)}, against version {case.incumbent.version}"


def _newest(case: Case) -> Held:
    if case.incumbent is None:
        return "skipped", "There is no champion yet."
    return "held", f"{case.data}; the champion's is {case.incumbent.data}"


def _slice_thresholds(findings: Findings, blessing: Blessing) -> Held:
    limits = blessing.slices
    judged = sum(part.rows >= limits.min_rows for part in findings.slices)
    if not limits.min_metrics or not judged:
        return "skipped", _why_no_slices(findings, judged, "minimum")
    return "held", f"in {judged} slices of at least {limits.min_rows} rows"


def _slice_regression(case: Case, findings: Findings, blessing: Blessing) -> Held:
    limits = blessing.slices
    judged = sum(part.rows >= limits.min_rows and part.comparison is not None for part in findings.slices)
    if case.incumbent is None:
        return "skipped", "There is no champion yet."
    if limits.max_regression is None or not judged:
        return "skipped", _why_no_slices(findings, judged, "limit")
    return "held", f"in {judged} slices of at least {limits.min_rows} rows"


def _why_no_slices(findings: Findings, judged: int, limit: str) -> str:
    if not findings.slices:
        return "The spec declares no slices."
    return f"The spec sets no {limit} for slices." if judged else "All slices have too few rows to be judged."


def _fairness(findings: Findings, blessing: Blessing) -> Held:
    if blessing.fairness is None or not blessing.fairness.max_gaps:
        return "skipped", "The spec sets no limits."
    gaps = [
        f"{gap} {fairness.gaps[gap].value:.3g} of {limit:g} ({', '.join(fairness.columns)})"
        for fairness in findings.fairness
        for gap, limit in blessing.fairness.max_gaps.items()
        if gap in fairness.gaps
    ]
    return ("held", ", ".join(gaps)) if gaps else ("skipped", "No two groups have enough rows.")
