"""What is asked of an installation, and the five sizes that docs/scale.md talks about."""

from dataclasses import dataclass

DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Everything the plan depends on.

    `window_spans` is `spec.data.last`. `training_minutes` is how long one training holds `training_cores`.
    Objects live for `drop_days`, `dataset_days` (by a lifecycle rule of the bucket) and `warehouse_days`. The
    last three are how Tidemill is set, or built.
    """

    name: str
    predictions_per_second: float
    rows_per_request: float = 1
    row_bytes: int = 250
    log_share: float = 0.1
    feedback_share: float = 0.01
    pipelines: int
    drops_per_day: float
    bytes_per_day: float
    window_spans: int = 30
    training_minutes: float = 10
    training_cores: float = 4
    drop_days: int = 30
    dataset_days: int = 7
    warehouse_days: int = 90
    log_file_seconds: float = 5
    feedback_gather_seconds: float = 0.02
    trainer_poll_seconds: float = 0.5
    trainer_lateness: float = 0.05

    @property
    def drops_per_second(self) -> float:
        return self.drops_per_day / DAY_SECONDS

    @property
    def drop_bytes(self) -> float:
        return self.bytes_per_day / self.drops_per_day


GB, TB = 10**9, 10**12

SIZES = (
    Workload(name="laptop", predictions_per_second=10, pipelines=1, drops_per_day=10, bytes_per_day=3 * GB),
    Workload(name="x10", predictions_per_second=100, pipelines=3, drops_per_day=100, bytes_per_day=30 * GB),
    Workload(
        name="x100",
        predictions_per_second=1_000,
        pipelines=10,
        drops_per_day=1_000,
        bytes_per_day=300 * GB,
    ),
    Workload(
        name="x1,000", predictions_per_second=10_000, pipelines=30, drops_per_day=10_000, bytes_per_day=3 * TB
    ),
    Workload(
        name="x10,000",
        predictions_per_second=100_000,
        pipelines=100,
        drops_per_day=100_000,
        bytes_per_day=30 * TB,
    ),
)
TARGET = SIZES[3]
