"""How good answers were, by what feedback says of them: mean reward and accuracy by version and variant.

What is kept follows from the set of all feedback alone: of each row the feedback that was said last, and of
these the newest predictions' of each pipeline. So it may come late, twice, in any order, or again from the
bucket after a restart.
"""

import heapq
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tidemill_contracts.recorded import Feedback, LogFile, LoggedPrediction
from tidemill_serving.rating import rate

# Of each pipeline. Enough to tell means apart that differ by a hundredth.
MAX_ROWS = 20_000

Row = tuple[str, int]
Order = tuple[int, Row]


@dataclass
class Sums:
    """Rows with a reward: how many, and the sum of it. Of `judged` answers, `correct` were right."""

    count: int = 0
    total: float = 0.0
    judged: int = 0
    correct: int = 0

    @property
    def mean(self) -> float | None:
        """Mean reward from 0 to 1, None without any."""
        return self.total / self.count if self.count else None

    @property
    def accuracy(self) -> float | None:
        """Share of right answers, None where none could be judged."""
        return self.correct / self.judged if self.judged else None

    def add(self, reward: float | None, *, is_right: bool | None) -> None:
        """Count one row."""
        if reward is not None:
            self.count += 1
            self.total += reward
        if is_right is not None:
            self.judged += 1
            self.correct += is_right


@dataclass(slots=True)
class Said:
    """What counts of one row. `waits` while its label waits for the answer that was logged."""

    at_ms: int
    version: int
    variant: str
    said: tuple[int, int, str]
    reward: float | None
    is_right: bool | None = None
    waits: Feedback | None = None


@dataclass
class Kept:
    """What is kept of one pipeline. What is before `floor` was left out already."""

    rows: dict[Row, Said] = field(default_factory=dict)
    oldest: list[Order] = field(default_factory=list)
    floor: Order = (0, ("", 0))
    waiting: defaultdict[str, set[int]] = field(default_factory=lambda: defaultdict(set))


class Quality:
    """The feedback of all pipelines, as far as it is kept. May be used by several threads."""

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        """Keep up to `max_rows` rows of each pipeline."""
        self._max_rows = max_rows
        self._kept: defaultdict[str, Kept] = defaultdict(Kept)
        self._lock = threading.Lock()

    def take(self, pipeline: str, feedback: Iterable[Feedback]) -> list[Feedback]:
        """Count feedback; return that whose label waits for its answer: hand this to `answer`."""
        with self._lock:
            kept = self._kept[pipeline]
            return [each for each in feedback if self._take(kept, each)]

    def answer(self, pipeline: str, predictions: Iterable[LoggedPrediction], threshold: float = 0.5) -> None:
        """Rate answers whose labels wait for these answers; others are passed over."""
        with self._lock:
            kept = self._kept[pipeline]
            for prediction in predictions:
                for row in kept.waiting.pop(prediction.prediction_id, ()):
                    _rate(kept.rows[prediction.prediction_id, row], prediction, row, threshold)

    def wanted(self, pipeline: str, file: LogFile) -> set[str]:
        """Name the predictions that a log may hold, and that labels wait for."""
        with self._lock:
            kept = self._kept[pipeline]
            firsts = (kept.rows[name, next(iter(rows))].waits for name, rows in kept.waiting.items())
            return {
                each.prediction_id
                for each in firsts
                if each and file.may_hold(each.gateway, each.predicted_at_ms)
            }

    def rewards(self, pipeline: str, since: datetime | None = None) -> Mapping[tuple[int, str], Sums]:
        """Sum up by version and variant, predictions made at or after `since` alone, or all."""
        since_ms = since.timestamp() * 1000 if since else 0
        found: defaultdict[tuple[int, str], Sums] = defaultdict(Sums)
        with self._lock:
            for said in self._kept[pipeline].rows.values():
                if said.at_ms >= since_ms:
                    found[said.version, said.variant].add(said.reward, is_right=said.is_right)
        return {who: sums for who, sums in found.items() if sums.count or sums.judged}

    def pipelines(self) -> list[str]:
        """Name the pipelines that there is feedback of."""
        with self._lock:
            return sorted(self._kept)

    def waiting(self, pipeline: str) -> int:
        """Count predictions whose label waits for an answer."""
        with self._lock:
            return len(self._kept[pipeline].waiting)

    def kept_since_ms(self, pipeline: str) -> int:
        """Say from when on predictions are kept; 0 while all are."""
        with self._lock:
            return self._kept[pipeline].floor[0]

    def _take(self, kept: Kept, new: Feedback) -> bool:
        row = new.prediction_id, new.row
        waits = new.label is not None and new.is_logged
        said = (new.said_at_ms, new.received_at_ms, f"{new.label}/{new.reward}")
        known = kept.rows.get(row)
        if (known and known.said >= said) or (new.predicted_at_ms, row) < kept.floor:
            return False
        if not known:
            heapq.heappush(kept.oldest, (new.predicted_at_ms, row))
        kept.rows[row] = Said(
            new.predicted_at_ms, new.version, new.variant, said, new.reward, waits=new if waits else None
        )
        _note_waiting(kept, row, waits=waits)
        if len(kept.rows) > self._max_rows:
            kept.floor = heapq.heappop(kept.oldest)
            del kept.rows[kept.floor[1]]
            _note_waiting(kept, kept.floor[1], waits=False)
        return waits and row in kept.rows


def _note_waiting(kept: Kept, row: Row, *, waits: bool) -> None:
    name, number = row
    if waits:
        kept.waiting[name].add(number)
    elif name in kept.waiting:
        kept.waiting[name].discard(number)
        if not kept.waiting[name]:
            del kept.waiting[name]


def _rate(said: Said, prediction: LoggedPrediction, row: int, threshold: float) -> None:
    feedback, said.waits = said.waits, None
    if feedback is None or feedback.label is None or row >= prediction.rows:
        return
    outputs = prediction.row_of(prediction.outputs, row)
    rated = rate(outputs, feedback.label, threshold) if outputs is not None else None
    if rated is not None:
        said.is_right = rated.is_right
        said.reward = rated.reward if said.reward is None else said.reward
