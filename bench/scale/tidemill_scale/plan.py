"""Pods, cores and dollars for a workload.

python -m tidemill_scale.plan
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from tidemill_contracts import topology
from tidemill_scale import guessed, measured, prices
from tidemill_scale.demand import GATEWAY_TARGET, Demand
from tidemill_scale.prices import MONTH_DAYS, MONTH_HOURS
from tidemill_scale.workload import DAY_SECONDS, SIZES, Workload

MONTH_SECONDS = MONTH_DAYS * DAY_SECONDS
WORKER_TARGET = 0.7
MODEL_SERVER_CORES = 8
SPANS_PER_PARTITION = 100
INT64_BYTES = 8
KIB = 1024


@dataclass(frozen=True)
class Pods:
    """So many pods of one kind, each with so many processors."""

    count: int
    cores_each: float

    @property
    def cores(self) -> float:
        return self.count * self.cores_each


@dataclass(frozen=True)
class Plan:
    """What a workload needs, and what it costs a month at list prices."""

    demand: Demand

    @classmethod
    def of(cls, workload: Workload) -> "Plan":
        return cls(Demand(workload))

    @property
    def load(self) -> Workload:
        return self.demand.workload

    @cached_property
    def pods(self) -> Mapping[str, Pods]:
        """The pods of each service; trainings come and go, and are as many as run at the same time."""
        demand = self.demand
        return {
            "gateway": Pods(demand.gateways, 1),
            "model server": self._model_servers(),
            "serving": Pods(1, 0.5),
            "ingest": Pods(max(2, math.ceil(demand.ingest_cores / WORKER_TARGET / 2)), 2),
            "transform": Pods(self._transform_pods(), 2),
            "trainer": Pods(1, 0.5),
            "controller": Pods(1, 0.25),
            "trainings": Pods(math.ceil(demand.trainings_at_once), self.load.training_cores),
        }

    def _model_servers(self) -> Pods:
        """As few pods as will do, for each holds every model; a model is asked at one of them."""
        cores = max(1, math.ceil(self.demand.model_cores / GATEWAY_TARGET))
        count = math.ceil(cores / MODEL_SERVER_CORES)
        return Pods(count, math.ceil(cores / count))

    def _transform_pods(self) -> int:
        """Each pod has one thread for passes, one for what gateways recorded, one for the ledger."""
        demand = self.demand
        insert = guessed.STREAMED_INSERT_SECONDS
        threads = (
            demand.passes_at_once,
            demand.recorded_objects * (guessed.READ_SECONDS + insert + guessed.PUBLISH_SECONDS),
            demand.events * insert,
        )
        return max(1, math.ceil(max(threads) / WORKER_TARGET))

    @property
    def cores(self) -> float:
        return sum(pods.cores for pods in self.pods.values())

    @property
    def bucket_writes(self) -> float:
        """Writes a second."""
        load, demand = self.load, self.demand
        parts = load.window_spans * measured.PARTS_PER_SPAN
        each = measured.WRITES_PER_DROP + parts + 1
        trained = measured.WRITES_PER_TRAINING * demand.trainings_per_day / DAY_SECONDS
        return load.drops_per_second * each + demand.recorded_objects + trained

    @property
    def bucket_pages(self) -> float:
        """Pages of listings a second: of drops, and of what looks again and again whether anything is new."""
        load, demand = self.load, self.demand
        of_drops = load.drops_per_second * measured.PAGES_PER_DROP
        batchers = self.pods["ingest"].count * (1 + load.drops_per_day * load.drop_days / 1000 / 120)
        graphs = 2 / 2.0
        late_seconds = load.trainer_lateness * guessed.NEWS_SECONDS / 2
        trainings = demand.trainings_at_once / (load.trainer_poll_seconds + late_seconds)
        return of_drops + batchers + graphs + trainings

    @property
    def bucket_reads(self) -> float:
        """Reads a second."""
        load, demand = self.load, self.demand
        each = measured.READS_PER_DROP + load.window_spans * (2 + measured.PARTS_PER_SPAN)
        reconciled = 2 * load.pipelines / 2.0
        return load.drops_per_second * each + 2 * demand.recorded_objects + reconciled

    @property
    def stored_bytes(self) -> float:
        """Bytes in the bucket, once it is as full as it gets."""
        load = self.load
        kept = load.bytes_per_day * load.drop_days * (1 + measured.PARQUET_SHARE)
        datasets = load.drops_per_day * self.demand.window_bytes * measured.PARQUET_SHARE * load.dataset_days
        return kept + datasets

    @property
    def inserted_bytes_per_day(self) -> float:
        """What INSERT reads: the span, and one column of its partition, which is half full on average."""
        known = SPANS_PER_PARTITION / 2 * INT64_BYTES / self.load.row_bytes
        return self.load.bytes_per_day * (1 + known)

    @property
    def streamed_bytes(self) -> float:
        """Bytes a second that are streamed into BigQuery, at least 1 KiB a row."""
        demand = self.demand
        row_bytes = max(KIB, self.load.row_bytes + 300)
        return demand.log_rows * row_bytes + (demand.feedback + demand.events) * max(KIB, guessed.EVENT_BYTES)

    @property
    def message_bytes(self) -> float:
        """Bytes a second that Pub/Sub takes and gives, those included that a filter holds back."""
        objects = 1 + _listeners(topology.OBJECTS_TOPIC)
        events = 1 + _listeners(topology.EVENTS_TOPIC)
        demand = self.demand
        return (
            demand.notifications * objects * guessed.NOTIFICATION_BYTES
            + demand.events * events * guessed.EVENT_BYTES
        )

    @property
    def dataflow_dollars(self) -> float:
        """What the passes would cost on Dataflow instead: their cores, and each job's start."""
        starts = self.load.drops_per_second * guessed.DATAFLOW_START_SECONDS
        hour = prices.DATAFLOW_CORE.each + 4 * prices.DATAFLOW_MEMORY.each
        return (self.demand.pass_cores + starts) * hour * MONTH_HOURS

    @cached_property
    def dollars(self) -> Mapping[str, float]:
        """A month's bill by line, without discounts."""
        load, demand = self.load, self.demand
        wire = load.predictions_per_second * load.rows_per_request * (load.row_bytes + 50)
        pods = sum(pods.count for pods in self.pods.values())
        samples = pods * guessed.SERIES_PER_POD / guessed.SCRAPE_SECONDS
        log_bytes = (2 * demand.notifications + 2 * demand.events) * guessed.LOG_LINE_BYTES
        tables = (
            load.bytes_per_day * load.warehouse_days + self.streamed_bytes * DAY_SECONDS * load.warehouse_days
        )
        second = {
            "Cloud Storage, writes and listings": (self.bucket_writes + self.bucket_pages)
            * prices.CLASS_A.each,
            "Cloud Storage, reads": (self.bucket_reads + demand.notifications) * prices.CLASS_B.each,
            "Pub/Sub": self.message_bytes * prices.MESSAGES.each,
            "BigQuery, streamed": self.streamed_bytes * prices.STREAMED.each,
            "BigQuery, INSERT": self.inserted_bytes_per_day / DAY_SECONDS * prices.QUERY.each,
            "Cloud Monitoring, logs": samples * prices.SAMPLES.each + log_bytes * prices.LOGS.each,
            "network": wire * (prices.BALANCED.each + guessed.CROSSING_ZONES * prices.ZONES.each),
        }
        return {
            "GKE": MONTH_HOURS
            * (self.cores / guessed.NODE_SHARE_USED * prices.CORE.each + prices.CLUSTER.each),
            "Cloud Storage, bytes": self.stored_bytes * prices.STORED.each,
            "BigQuery, bytes": tables * prices.TABLES.each,
            **{line: MONTH_SECONDS * dollars for line, dollars in second.items()},
        }

    @property
    def total_dollars(self) -> float:
        return sum(self.dollars.values())


def _listeners(topic: str) -> int:
    return sum(subscription.topic == topic for subscription in topology.SUBSCRIPTIONS)


def main() -> None:
    """Print what every size needs."""
    for workload in SIZES:
        plan = Plan.of(workload)
        pods = ", ".join(f"{name} {each.count} x {each.cores_each:g}" for name, each in plan.pods.items())
        print(f"{workload.name}: {pods}; {plan.total_dollars:,.0f} $ a month")
        print("  ", ", ".join(f"{line} {dollars:,.0f}" for line, dollars in plan.dollars.items()))


if __name__ == "__main__":
    main()
