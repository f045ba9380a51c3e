"""What gives way first: for each thing that is bounded, how much of it a workload uses."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tidemill_gateway.releasing.reporting import EVERY_SECONDS
from tidemill_ingest.periodic import STALLED_SECONDS as PERIODIC_STALLED_SECONDS
from tidemill_ingest.server import COUNT_SECONDS
from tidemill_runtime.consumer import MAX_LEASE_SECONDS
from tidemill_scale import guessed, limits, measured
from tidemill_scale.demand import Demand
from tidemill_scale.plan import Plan
from tidemill_serving.app import MAX_GATEWAYS
from tidemill_trainer.driver import STALLED_SECONDS

Basis = Literal["measured", "documented", "in the code", "guessed"]
TRAININGS_AT_ONCE = 4
# A turn of ingest's periodic work that takes longer makes the pod fail its liveness probe.
PARTS_STALLED_SECONDS = PERIODIC_STALLED_SECONDS + COUNT_SECONDS
RECONCILE_SECONDS = 2.0


@dataclass(frozen=True)
class Bottleneck:
    """`asked` of a `unit`, of which there are `most`; `basis` says how it is known, `remedy` what helps."""

    what: str
    unit: str
    most: float
    basis: Basis
    asked: Callable[[Plan], float]
    remedy: str

    def share(self, plan: Plan) -> float:
        """Return how much of it is used: beyond 1 it does not hold."""
        return self.asked(plan) / self.most


def _by(asked: Callable[[Demand], float]) -> Callable[[Plan], float]:
    return lambda plan: asked(plan.demand)


def _recorded_seconds() -> float:
    return guessed.READ_SECONDS + guessed.STREAMED_INSERT_SECONDS + guessed.PUBLISH_SECONDS


def _driver_seconds(demand: Demand) -> float:
    """A turn looks at every pipeline that waits: a listing, a job, two reads."""
    each = guessed.LIST_PAGE_SECONDS + guessed.KUBERNETES_POLL_SECONDS + 2 * guessed.READ_SECONDS
    return demand.workload.pipelines * each


def _parts_seconds(demand: Demand) -> float:
    drops = demand.workload.drops_per_day * demand.workload.drop_days
    return drops / 1000 * guessed.LIST_PAGE_SECONDS


ALL = (
    Bottleneck(
        "trainings at once",
        "jobs",
        TRAININGS_AT_ONCE,
        "in the code",
        _by(lambda demand: demand.trainings_at_once),
        "`TIDEMILL_MAX_RUNNING`, and nodes for it",
    ),
    Bottleneck(
        "one transform pod: passes",
        "thread",
        1,
        "guessed",
        _by(lambda demand: demand.passes_at_once),
        "replicas, with BigQuery as the warehouse; fewer, larger drops; a short `data.last`",
    ),
    Bottleneck(
        "one transform pod: recorded objects",
        "a second",
        1 / _recorded_seconds(),
        "guessed",
        _by(lambda demand: demand.recorded_objects),
        "replicas; a longer `TIDEMILL_LOG_FILE_SECONDS`; gather feedback for longer than 20 ms",
    ),
    Bottleneck(
        "one transform pod: ledger",
        "events a second",
        1 / guessed.STREAMED_INSERT_SECONDS,
        "guessed",
        _by(lambda demand: demand.events),
        "replicas; insert many messages at once",
    ),
    Bottleneck(
        "serving: recorded objects",
        "a second",
        1 / guessed.READ_SECONDS,
        "guessed",
        _by(lambda demand: demand.feedback_objects),
        "more threads for that consumer; larger feedback objects",
    ),
    Bottleneck(
        "serving: gateway reports",
        "a second",
        measured.REPORTS_PER_CORE_SECOND,
        "measured",
        _by(lambda demand: demand.gateways / EVERY_SECONDS),
        "a longer pause between reports; serving sharded by pipeline",
    ),
    Bottleneck(
        "serving: gateways that watch",
        "streams",
        MAX_GATEWAYS,
        "in the code",
        _by(lambda demand: demand.gateways),
        "`MAX_GATEWAYS`, each costs a thread; an asynchronous server",
    ),
    Bottleneck(
        "serving: reconciling in time",
        "pipelines",
        # Of each its document and its deployment.
        RECONCILE_SECONDS / (2 * guessed.READ_SECONDS),
        "guessed",
        _by(lambda demand: demand.workload.pipelines),
        "read them side by side, or only when a notification says so",
    ),
    Bottleneck(
        "model server: if all ask one model",
        "cores of a node",
        30,
        "guessed",
        _by(lambda demand: demand.model_cores),
        "a larger node; `modelServer.replicas` spread models, not requests for one",
    ),
    Bottleneck(
        "spans numbered, one pipeline",
        "a second",
        measured.NUMBERS_PER_SECOND,
        "measured",
        _by(lambda demand: demand.workload.drops_per_second / demand.workload.pipelines),
        "larger drops; several pipelines",
    ),
    Bottleneck(
        "BigQuery load jobs",
        "a day",
        limits.LOAD_JOBS.most,
        "documented",
        _by(lambda demand: demand.workload.drops_per_day),
        "larger drops",
    ),
    Bottleneck(
        "pass within a lease",
        "seconds",
        MAX_LEASE_SECONDS,
        "measured",
        _by(lambda demand: demand.pass_seconds),
        "Dataflow, or a shorter window",
    ),
    Bottleneck(
        "pass within a lease, no data.last",
        "seconds",
        MAX_LEASE_SECONDS,
        "measured",
        _by(lambda demand: demand.whole_pass_seconds),
        "`data.last`: without it every drop reads every span",
    ),
    Bottleneck(
        "pass on Dataflow",
        "jobs at once",
        limits.DATAFLOW_JOBS.most,
        "documented",
        _by(lambda demand: demand.workload.drops_per_second * 2 * guessed.DATAFLOW_START_SECONDS),
        "ask for more jobs; fewer, larger drops",
    ),
    Bottleneck(
        "trainer: a turn over all pipelines",
        "seconds",
        STALLED_SECONDS,
        "guessed",
        _by(_driver_seconds),
        "look at waiting pipelines only when a place is free",
    ),
    Bottleneck(
        "ingest: counting parts in all drops",
        "seconds",
        PARTS_STALLED_SECONDS,
        "guessed",
        _by(_parts_seconds),
        "a lifecycle rule on drops/; count from notifications",
    ),
    Bottleneck(
        "bucket writes, without ramping up",
        "a second",
        limits.BUCKET_WRITES.most,
        "documented",
        lambda plan: plan.bucket_writes,
        "grow by no more than double in 20 minutes",
    ),
    Bottleneck(
        "bucket reads, without ramping up",
        "a second",
        limits.BUCKET_READS.most,
        "documented",
        lambda plan: plan.bucket_reads + plan.bucket_pages,
        "grow by no more than double in 20 minutes",
    ),
    Bottleneck(
        "rows streamed",
        "bytes a second",
        limits.STREAMED_BYTES.most,
        "documented",
        lambda plan: plan.streamed_bytes,
        "a smaller `log.share`",
    ),
    Bottleneck(
        "messages published",
        "bytes a second",
        limits.PUBLISHED_BYTES.most,
        "documented",
        lambda plan: plan.message_bytes,
        "none needed",
    ),
)
