"""What is found out about a model on held-out rows, and in a model server."""

from tidemill_contracts.profile import ProfileModel, Task
from tidemill_trainer.evaluation.agreement import AgreementBin, Confusion
from tidemill_trainer.evaluation.comparison import Comparison
from tidemill_trainer.evaluation.dependence import Dependence
from tidemill_trainer.evaluation.fairness import Fairness
from tidemill_trainer.evaluation.importance import Importance
from tidemill_trainer.evaluation.intervals import Estimate
from tidemill_trainer.evaluation.reliability import Reliability
from tidemill_trainer.evaluation.search import WeakSlice
from tidemill_trainer.evaluation.slices import SliceMetrics
from tidemill_trainer.evaluation.thresholds import Threshold


class RowsResult(ProfileModel):
    """How well some rows are answered, by the model and by others.

    The others, by name, are `constant`, which reads no feature, `linear` and `champion`. A comparison's
    `champion` is that other model; it is missing where the deciding metric is not defined.
    """

    rows: int
    metrics: dict[str, Estimate]
    others: dict[str, dict[str, float]]
    comparisons: dict[str, Comparison]


class Findings(ProfileModel):
    """All that is known of a model's answers to rows that it has not learned.

    `newest` is of the newest span's rows, None when there are no others. Slices are compared with the
    champion. Parts that do not concern the task, or for which there is no time, are empty.
    """

    task: Task
    decides: str
    held_out: RowsResult
    newest: RowsResult | None = None
    slices: tuple[SliceMetrics, ...] = ()
    weak_slices: tuple[WeakSlice, ...] = ()
    fairness: tuple[Fairness, ...] = ()
    reliability: Reliability | None = None
    thresholds: tuple[Threshold, ...] = ()
    best_threshold: Threshold | None = None
    confusion: Confusion | None = None
    agreement: tuple[AgreementBin, ...] = ()
    importance: Importance | None = None
    dependence: tuple[Dependence, ...] = ()
    skipped: tuple[str, ...] = ()


class Served(ProfileModel):
    """What a fresh model server made of a model. Times are of requests with one row, in milliseconds."""

    requests: int
    p50_ms: float
    p95_ms: float
    load_seconds: float
