"""From a window and a spec to the plan of a pass; what is wrong with a spec is told before rows are read."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from tidemill_contracts import layout
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN, Column
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_transform.columns import listed, readable, schema_of, suggested
from tidemill_transform.errors import Unfit
from tidemill_transform.label import check_label
from tidemill_transform.plan import Plan, SpanRows
from tidemill_transform.rules import REASON_COLUMN, row_rules
from tidemill_transform.split import SplitRule, check_time
from tidemill_transform.window import Window, check_newest

RESERVED = (LABEL_COLUMN, WEIGHT_COLUMN, REASON_COLUMN)


def make_plan(
    window: Window, spec: PipelineSpec, uri: Callable[[str], str], beam_options: tuple[str, ...]
) -> Plan:
    """Plan the pass over a window; raise Unfit with all that keeps its spec from fitting it.

    Args:
        uri: Returns the address of an object of the bucket, for whoever runs the pass.
    """
    check_newest(window.newest, spec.data)
    columns = window.columns
    reasons = list(_misnamed(window, spec, columns))
    with _noted(reasons):
        label = check_label(spec.label, schema_of(columns), spec.task, spec.weight)
    with _noted(reasons):
        rules = row_rules(spec.columns, columns)
    with _noted(reasons):
        check_time(spec.split, columns)
    if reasons:
        raise Unfit(*reasons)
    return Plan(
        spans={
            number: SpanRows(uri(window.data_name(number)), readable(span, columns))
            for number, span in window.spans.items()
        },
        columns=columns,
        rules=rules,
        label=label,
        split=SplitRule.of(spec.split, label.columns.union(window.restricted_columns)),
        slices=spec.slices,
        folder=uri(layout.dataset(window.pipeline, window.dataset_id, "")).rstrip("/"),
        beam_options=beam_options,
    )


def _misnamed(window: Window, spec: PipelineSpec, columns: Iterable[Column]) -> Iterator[Reason]:
    stored = [column.name for column in columns]
    known = [column.name for span in window.spans.values() for column in span.columns]
    named = {
        "slices": [name for group in spec.slices for name in group],
        "crosses": [name for group in spec.crosses for name in group],
        "split": [*spec.split.group_by, *filter(None, [spec.split.time])],
    }
    unknown = {part: [name for name in names if name not in stored] for part, names in named.items()}
    unknown["leaveOut"] = [name for name in spec.leave_out if name not in known]
    if told := [f"{part} names {suggested(names, stored)}" for part, names in unknown.items() if names]:
        message = f"expected columns among {listed(stored)}, {', '.join(told)}"
        yield Reason(code="unknown-column", message=message)
    for name in RESERVED:
        if name in stored:
            yield Reason(code="reserved-column", message=f"expected no column named {name}, received one")


@contextmanager
def _noted(reasons: list[Reason]) -> Iterator[None]:
    try:
        yield
    except Unfit as unfit:
        reasons.extend(unfit.reasons)
