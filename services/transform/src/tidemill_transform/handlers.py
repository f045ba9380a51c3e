"""What happens when a span was ingested: its window becomes a dataset version, or is rejected with reasons.

A redelivery changes nothing: the outcome's object is created once, and found again by its address.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetIngested
from tidemill_contracts.pipeline import InvalidSpec, PipelineSpec, parse_pipeline
from tidemill_runtime.consumer import Rejected, RetryLater
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.telling import EventHandler
from tidemill_transform.columns import schema_of
from tidemill_transform.errors import Unfit
from tidemill_transform.features import Choice, choose
from tidemill_transform.outcomes import Outcomes
from tidemill_transform.plan import Plan, Report, reconcile
from tidemill_transform.validation import check_dataset, check_spec, without_unlabelled
from tidemill_transform.warehouse import Warehouse
from tidemill_transform.window import Window, read_window

Engine = Callable[[Plan], Report]


@dataclass(frozen=True)
class Transform:
    """Turns windows of spans into dataset versions.

    `engine` returns what runs a plan, and blocks until it is loaded.
    """

    store: ObjectStore
    warehouse: Warehouse
    engine: Callable[[], Engine]
    beam_options: tuple[str, ...]

    def __call__(self, event: Event) -> Iterator[EventData]:
        """Handle one ingested span."""
        span = event.data
        if not isinstance(span, DatasetIngested):
            raise TypeError(f"expected DatasetIngested, received {type(span).__name__}")
        spec = self._spec(span)
        window = without_unlabelled(
            read_window(self.store, span.pipeline, span.spec_digest, span.span), spec.label
        )
        outcomes = Outcomes(self.store, window)
        yield outcomes.find() or self._settle(window, spec, outcomes)

    def _settle(self, window: Window, spec: PipelineSpec, outcomes: Outcomes) -> EventData:
        began = time.monotonic()
        newest = window.newest
        self.warehouse.load(spans_table(window.pipeline), f"span={newest}", [window.data_name(newest)])
        try:
            report, choice = self._transform(window, spec)
        except Unfit as unfit:
            return outcomes.reject(unfit.reasons, _seconds_since(began))
        return outcomes.commit(report, choice, _seconds_since(began))

    def _transform(self, window: Window, spec: PipelineSpec) -> tuple[Report, Choice]:
        columns = window.columns
        label = check_spec(spec, schema_of(columns))
        plan = Plan(
            spans={span: self.store.uri(window.data_name(span)) for span in window.spans},
            columns=columns,
            label=label,
            never_features=label.columns.union(spec.leave_out),
            eval_share=spec.split.eval_share,
            folder=self.store.uri(layout.dataset(window.pipeline, window.dataset_id, "")).rstrip("/"),
            beam_options=self.beam_options,
        )
        engine = self.engine()
        began = time.monotonic()
        report = engine(plan)
        get_logger().info("pass-ended", rows=report.total("rows_read"), seconds=_seconds_since(began))
        reconcile(report, {number: span.rows for number, span in window.spans.items()})
        choice = choose(report.profile, label.columns, spec.leave_out)
        check_dataset(report, choice, spec.validation.min_rows)
        return report, choice

    def _spec(self, span: DatasetIngested) -> PipelineSpec:
        name = layout.pinned_spec(span.pipeline, span.spec_digest)
        try:
            return parse_pipeline(self.store.read(name)).spec
        except ObjectNotFound as error:
            raise RetryLater(f"expected {name}, it is not there yet") from error
        except InvalidSpec as error:
            raise Rejected("invalid-spec", f"{name}: {error}") from error


def spans_table(pipeline: str) -> str:
    """Name the warehouse table of a pipeline's rows, so that SQL need not quote it."""
    return f"{pipeline.replace('-', '_')}_spans"


def _seconds_since(began: float) -> float:
    return round(time.monotonic() - began, 3)


def handlers(transform: Transform) -> dict[type[EventData], EventHandler]:
    """Which event is handled by what."""
    return {DatasetIngested: transform}
