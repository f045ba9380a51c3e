"""What is seen of versions while they answer: sums for serving, until it has them."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tidemill_contracts.observing import (
    LATENCY_SECONDS,
    ROUNDING,
    answer_bucket,
    answer_name,
    count_answer,
    distances,
    sound,
)
from tidemill_contracts.pb.routes_pb2 import Comparison, Observed
from tidemill_gateway.calls import Arrays, Part
from tidemill_gateway.errors import Code
from tidemill_gateway.releasing.choices import Subject

_NO_ANSWER: NDArray[Any] = np.empty((0, 0))


@dataclass(slots=True)
class Compared:
    """How a shadow's answers lay apart from those of the live version."""

    rows: int = 0
    differing: int = 0
    distance_sum: float = 0
    distance_max: float = 0
    calls: int = 0
    failures: int = 0
    skipped: int = 0
    seconds_sum: float = 0

    def add(self, live: Arrays, shadow: Arrays, seconds: float) -> None:
        """Compare the answers to one call; the shadow took `seconds` longer."""
        name = answer_name(live)
        apart = distances(live[name], shadow.get(name, _NO_ANSWER))
        self.calls += 1
        self.rows += len(apart)
        self.differing += int((apart > ROUNDING).sum())
        self.distance_sum += float(apart.sum())
        self.distance_max = max(self.distance_max, float(apart.max(initial=0)))
        self.seconds_sum += seconds


@dataclass(slots=True)
class Seen:
    """The sums of one subject since the last report."""

    codes: dict[Code, int] = field(default_factory=dict)
    unsound: int = 0
    diverted: int = 0
    latencies: list[int] = field(default_factory=lambda: [0] * (len(LATENCY_SECONDS) + 1))
    answers: dict[str, int] = field(default_factory=dict)
    compared: Compared | None = None


@dataclass(slots=True)
class Outputs:
    """The outputs of one call of a model: looked at once, however many requests it answered."""

    arrays: Arrays
    name: str
    answer: NDArray[Any]
    is_sound: bool
    is_countable: bool

    def is_sound_for(self, part: Part) -> bool:
        """Say whether the rows of a request are."""
        return self.is_sound or sound(part.rows_of(self.arrays))


class Observations:
    """The sums of every subject. They grow with the routes there were, not with requests."""

    def __init__(self) -> None:
        self._seen: dict[Subject, Seen] = {}
        self._last: dict[Subject, Outputs] = {}

    def answered(self, subject: Subject, seconds: float, part: Part | None) -> bool:
        """Count a request that was answered; return whether its answer is sound, as far as is looked."""
        seen = self.count(subject, Code.OK)
        if not subject.release:
            return True
        if part is None or not part.outputs:
            seen.latencies[bisect_left(LATENCY_SECONDS, seconds)] += 1
            return True
        outputs = self._last.get(subject)
        if outputs is None or outputs.arrays is not part.outputs:
            # Requests of one call were slow together: they are one witness.
            seen.latencies[bisect_left(LATENCY_SECONDS, part.seconds)] += 1
            outputs = self._last[subject] = _look_at(part.outputs)
        if not outputs.is_sound_for(part):
            seen.unsound += 1
            return False
        answer = outputs.answer
        if outputs.is_countable and part.begin < len(answer):
            count_answer(seen.answers, answer_bucket(outputs.name, answer[part.begin]))
        return True

    def count(self, subject: Subject, code: Code) -> Seen:
        """Count how a request ended, and no more; return the sums."""
        seen = self.of(subject)
        seen.codes[code] = seen.codes.get(code, 0) + 1
        return seen

    def of(self, subject: Subject) -> Seen:
        """Return the sums of a subject, to add to."""
        seen = self._seen.get(subject)
        if seen is None:
            seen = self._seen[subject] = Seen()
        return seen

    def take(self) -> list[Observed]:
        """Return all sums, and begin anew."""
        taken, self._seen = self._seen, {}
        self._last = {}
        return [_message(subject, seen) for subject, seen in taken.items()]


def _look_at(arrays: Arrays) -> Outputs:
    name = answer_name(arrays)
    answer = arrays[name]
    kinds = "biuf" if name == "probabilities" else "biufO"
    return Outputs(arrays, name, answer, sound(arrays), answer.ndim > 0 and answer.dtype.kind in kinds)


def _message(subject: Subject, seen: Seen) -> Observed:
    return Observed(
        model=subject.model,
        version=subject.version,
        release=subject.release,
        variant=subject.variant,
        codes={code.value: times for code, times in seen.codes.items()},
        unsound=seen.unsound,
        diverted=seen.diverted,
        latencies=seen.latencies if any(seen.latencies) else (),
        answers=seen.answers,
        comparison=None if seen.compared is None else _comparison(seen.compared),
    )


def _comparison(compared: Compared) -> Comparison:
    return Comparison(**{name: getattr(compared, name) for name in Compared.__slots__})
