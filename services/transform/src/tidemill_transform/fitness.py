"""Why a window is unfit to train on, once it was read."""

from collections.abc import Iterable, Iterator

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.events import Reason
from tidemill_contracts.pipeline import Validation
from tidemill_contracts.profile import Profile
from tidemill_transform.anomalies import blocking
from tidemill_transform.features import Choice
from tidemill_transform.label_sketch import MAX_CLASSES
from tidemill_transform.plan import Report


def unfitness(
    report: Report, choice: Choice, anomalies: Iterable[Anomaly], limits: Validation
) -> tuple[Reason, ...]:
    """Return all that keeps a model from being trained: empty when nothing does."""
    if errors := [part.label_error for part in report.parts if part.label_error]:
        return (Reason(code="label-invalid", message=f"expected a label of every row: {errors[0]}"),)
    reasons = [
        *_too_many_rejected(report, limits.max_rejected_share),
        *_too_few(report, limits.min_rows),
        *_nothing_to_learn_from(report, choice),
        *choice.reasons,
    ]
    if not reasons:
        reasons = [*_labels("training", report.train), *_labels("evaluation", report.eval)]
    return (*reasons, *blocking(anomalies))


def _too_many_rejected(report: Report, max_share: float) -> Iterator[Reason]:
    rejected, read = report.total("rows_rejected"), report.total("rows_read")
    if rejected > max_share * read:
        rules = ", ".join(f"{each.rows} break {each.rule} of {each.column}" for each in report.broken())
        message = (
            f"expected rules to be broken by at most {max_share:.2%} of rows, received {rejected} of {read}: "
            f"{rules}"
        )
        yield Reason(code="too-many-rejected-rows", message=message)


def _too_few(report: Report, min_rows: int) -> Iterator[Reason]:
    train, held_out = report.total("rows_train"), report.total("rows_eval")
    if train + held_out < min_rows or train == 0 or held_out == 0:
        message = (
            f"expected at least {min_rows} labelled rows on two sides, received {train} to train on and "
            f"{held_out} to evaluate on; {report.total('rows_unlabelled')} rows have no label, "
            f"{report.total('rows_rejected')} break rules"
        )
        yield Reason(code="too-few-rows", message=message)


def _nothing_to_learn_from(report: Report, choice: Choice) -> Iterator[Reason]:
    has_rows = report.train.rows + report.eval.rows > 0
    if has_rows and not choice.features:
        why = " ".join(f"{column.name}: {column.reason}" for column in choice.left_out)
        yield Reason(code="no-features", message=f"expected a usable column, received none. {why}")


def _labels(side: str, profile: Profile) -> Iterator[Reason]:
    label = profile.label
    seen = [name for name, rows in label.classes if rows]
    if label.numeric is not None and label.numeric.minimum == label.numeric.maximum:
        seen = [f"{label.numeric.minimum:g}"]
    if len(seen) == 1:
        message = f"expected different labels, received only {seen[0]} in {profile.rows} {side} rows"
        yield Reason(code="single-class-label", message=message)
    if label.task == "multiclass" and not seen:
        message = f"expected at most {MAX_CLASSES} different labels, received more in the {side} rows"
        yield Reason(code="too-many-classes", message=message)
