"""What makes a window unfit to train on. Each check raises Unfit with all that it finds."""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import LABEL_COLUMN, Column
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_transform.columns import schema_of
from tidemill_transform.errors import Unfit
from tidemill_transform.features import Choice
from tidemill_transform.label import Label, check_label
from tidemill_transform.plan import Report
from tidemill_transform.window import Window


def check_spec(spec: PipelineSpec, schema: pa.Schema) -> Label:
    """Check, before any row is read, that the spec fits the columns; return the label it asks for."""
    reasons = list(_misnamed(spec, schema))
    try:
        label = check_label(spec.label, schema)
    except Unfit as error:
        raise Unfit(*reasons, *error.reasons) from error
    if reasons:
        raise Unfit(*reasons)
    return label


def without_unlabelled(window: Window, label: str) -> Window:
    """Leave out earlier spans whose own columns cannot carry the label, so that none spoils those after it.

    The newest span stays: whether it is fit is for `check_spec` to say, with the reason.
    """
    carries: dict[tuple[Column, ...], bool] = {}
    for span in window.spans.values():
        if span.columns not in carries:
            carries[span.columns] = _carries(label, span.columns)
    kept = {
        number: span
        for number, span in window.spans.items()
        if number == window.newest or carries[span.columns]
    }
    return replace(window, spans=kept)


def check_dataset(report: Report, choice: Choice, min_rows: int) -> None:
    """Check that there are enough labelled rows of both kinds on both sides, and columns to learn from."""
    if errors := [part.label_error for part in report.parts if part.label_error]:
        raise Unfit(Reason(code="label-invalid", message=f"expected a label of every row: {errors[0]}"))
    reasons = [*_too_few(report, min_rows), *_nothing_to_learn_from(report, choice)]
    if not reasons:
        reasons = [
            *_single_class("training", report.total("positives_train"), report.total("rows_train")),
            *_single_class("evaluation", report.total("positives_eval"), report.total("rows_eval")),
        ]
    if reasons:
        raise Unfit(*reasons)


def _carries(label: str, columns: tuple[Column, ...]) -> bool:
    try:
        check_label(label, schema_of(columns))
    except Unfit:
        return False
    return True


def _too_few(report: Report, min_rows: int) -> Iterator[Reason]:
    train, held_out = report.total("rows_train"), report.total("rows_eval")
    if train + held_out < min_rows or train == 0 or held_out == 0:
        message = (
            f"expected at least {min_rows} labelled rows on two sides, received {train} to train on and "
            f"{held_out} to evaluate on; {report.total('rows_unlabelled')} rows have no label"
        )
        yield Reason(code="too-few-rows", message=message)


def _nothing_to_learn_from(report: Report, choice: Choice) -> Iterator[Reason]:
    has_rows = report.total("rows_unlabelled") < report.total("rows_read")
    if has_rows and not choice.features:
        why = " ".join(f"{column.name}: {column.reason}" for column in choice.left_out)
        yield Reason(code="no-features", message=f"expected a usable column, received none. {why}")


def _misnamed(spec: PipelineSpec, schema: pa.Schema) -> Iterator[Reason]:
    if unknown := [name for name in spec.leave_out if name not in schema.names]:
        message = f"expected columns among {schema.names}, leaveOut names {unknown}"
        yield Reason(code="unknown-column", message=message)
    if LABEL_COLUMN in schema.names:
        yield Reason(code="reserved-column", message=f"expected no column named {LABEL_COLUMN}, received one")


def _single_class(side: str, positives: int, rows: int) -> Iterator[Reason]:
    if positives in (0, rows):
        only = "true" if positives else "false"
        message = f"expected both true and false labels, received only {only} in {rows} {side} rows"
        yield Reason(code="single-class-label", message=message)
