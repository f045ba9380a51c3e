"""What happens when a span was ingested or a model is asked for: a window becomes a dataset version, or is
rejected with reasons.

A redelivery changes nothing: the outcome's object is created once, and found again by its address.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tidemill_contracts import layout
from tidemill_contracts.event import Event, EventData
from tidemill_contracts.events import DatasetIngested, DatasetTransformed, RetrainRequested
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import InvalidSpec, PipelineSpec, parse_pipeline
from tidemill_runtime.consumer import Rejected, RetryLater
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectNotFound, ObjectStore
from tidemill_runtime.telling import EventHandler
from tidemill_transform import retraining
from tidemill_transform.baseline import find_baseline
from tidemill_transform.errors import Unfit
from tidemill_transform.features import choose
from tidemill_transform.findings import Findings
from tidemill_transform.fitness import unfitness
from tidemill_transform.outcomes import Outcomes
from tidemill_transform.plan import Plan, Report, reconcile
from tidemill_transform.planning import make_plan
from tidemill_transform.validation import validate
from tidemill_transform.warehouse import Table, Warehouse
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

    def handle_span(self, event: Event) -> Iterator[EventData]:
        """Handle one ingested span: the newest of a window, by the spec it was ingested with."""
        span = event.data
        if not isinstance(span, DatasetIngested):
            raise TypeError(f"expected DatasetIngested, received {type(span).__name__}")
        yield self._outcome(span.pipeline, span.spec_digest, span.span)

    def handle_request(self, event: Event) -> Iterator[EventData]:
        """Handle one request for a new model: of the spec and the newest span of when it was first taken."""
        request = event.data
        if not isinstance(request, RetrainRequested):
            raise TypeError(f"expected RetrainRequested, received {type(request).__name__}")
        taken = retraining.take(self.store, request)
        outcome = self._outcome(request.pipeline, taken.spec_digest, taken.span)
        is_dataset = isinstance(outcome, DatasetTransformed)
        yield outcome.model_copy(update={"requested": True}) if is_dataset else outcome

    def _outcome(self, pipeline: str, spec_digest: str, newest: int) -> EventData:
        spec = self._spec(pipeline, spec_digest)
        window = read_window(self.store, pipeline, spec_digest, newest, spec)
        outcomes = Outcomes(self.store, window)
        return outcomes.find() or self._settle(window, spec, outcomes)

    def _settle(self, window: Window, spec: PipelineSpec, outcomes: Outcomes) -> EventData:
        began = time.monotonic()
        newest = window.newest
        table = Table(spans_table(window.pipeline), window.spans[newest].stored_columns)
        self.warehouse.load(table, newest, window.data_name(newest))
        try:
            plan = make_plan(window, spec, self.store.uri, self.beam_options)
        except Unfit as unfit:
            return outcomes.reject(unfit.reasons, _seconds_since(began))
        findings = self._examine(window, spec, plan)
        settle = outcomes.reject_findings if findings.reasons else outcomes.commit
        return settle(findings, _seconds_since(began))

    def _examine(self, window: Window, spec: PipelineSpec, plan: Plan) -> Findings:
        report = self._run(plan)
        reconcile(report, {number: span.rows for number, span in window.spans.items()})
        choice = choose(report.train, spec, plan.label.named_columns, window.restricted_columns)
        baseline = find_baseline(self.store, window.pipeline, window.newest)
        earlier = baseline.profile if baseline else None
        hidden = window.restricted_columns
        if plan.label.columns.intersection(hidden):
            hidden = (*hidden, LABEL_COLUMN)
        anomalies = validate(report, earlier, spec, hidden)
        return Findings(
            report=report,
            task=plan.label.task,
            weighted=plan.label.weight is not None,
            choice=choice,
            crosses=spec.crosses,
            baseline=baseline.dataset if baseline else None,
            earlier=earlier,
            hidden=hidden,
            anomalies=anomalies,
            reasons=unfitness(report, choice, anomalies, spec.validation),
        )

    def _run(self, plan: Plan) -> Report:
        engine = self.engine()
        began = time.monotonic()
        report = engine(plan)
        get_logger().info("pass-ended", rows=report.total("rows_read"), seconds=_seconds_since(began))
        return report

    def _spec(self, pipeline: str, digest: str) -> PipelineSpec:
        name = layout.pinned_spec(pipeline, digest)
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
    return {DatasetIngested: transform.handle_span, RetrainRequested: transform.handle_request}
