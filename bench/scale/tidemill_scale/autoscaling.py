"""What happens while the load doubles and new gateways are on their way: one step a second, no queues.

A gateway refuses what it cannot answer in time, so what is beyond the capacity of the ready pods is refused,
and refusing costs them a little. The autoscaler acts as Kubernetes' does: every 15 s, on processor time as it
was measured some time ago, by at most double or 4 pods, whichever is more.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

SYNC_SECONDS = 15
TOLERANCE = 0.1


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """`per_second` is what one pod answers at most, and `busy` the cores that it takes at a rate.

    A metric is `late_seconds` old.
    `start_seconds` a pod takes to be ready; pods beyond `room` wait `node_seconds` more for a node.
    """

    per_second: float
    busy: Callable[[float], float]
    pods: int
    most_pods: int
    request_cores: float
    target: float
    late_seconds: int = 45
    start_seconds: int = 15
    node_seconds: int = 90
    room: int = 10**6
    refusal_seconds: float = 19e-6


@dataclass
class Minutes:
    """What came of it, second by second: `pods` are ready."""

    asked: list[float] = field(default_factory=list)
    answered: list[float] = field(default_factory=list)
    pods: list[int] = field(default_factory=list)

    @property
    def refused(self) -> float:
        return sum(self.asked) - sum(self.answered)

    @property
    def refusing_seconds(self) -> int:
        """For how long more than one request in a hundred was refused."""
        pairs = zip(self.asked, self.answered, strict=True)
        return sum(answered < 0.99 * asked for asked, answered in pairs)


def scale(scaling: Scaling, load: Sequence[float]) -> Minutes:
    """Follow a load, given as requests a second for each second."""
    ready, minutes = scaling.pods, Minutes()
    coming: list[int] = []  # when each pod that was asked for is ready
    busy: list[float] = []
    for second, asked in enumerate(load):
        ready += sum(at == second for at in coming)
        coming = [at for at in coming if at > second]
        answered = _answered(scaling, ready, asked)
        busy.append(ready * min(1.0, scaling.busy(asked / ready)))
        minutes.asked.append(asked)
        minutes.answered.append(answered)
        minutes.pods.append(ready)
        if second % SYNC_SECONDS == 0 and second >= scaling.late_seconds:
            wanted = _wanted(scaling, busy[second - scaling.late_seconds], ready + len(coming), minutes)
            coming += _started(scaling, second, ready + len(coming), wanted)
    return minutes


def _answered(scaling: Scaling, ready: int, asked: float) -> float:
    """Solve: answering and refusing take all the cores there are."""
    capacity = ready * scaling.per_second
    if asked <= capacity:
        return asked
    cost = scaling.refusal_seconds * scaling.per_second
    return max(0.0, (capacity - asked * cost) / (1 - cost))


def _wanted(scaling: Scaling, busy_cores: float, pods: int, minutes: Minutes) -> int:
    then_ready = minutes.pods[len(minutes.pods) - 1 - scaling.late_seconds]
    used = busy_cores / then_ready / scaling.request_cores
    ratio = used / scaling.target
    if abs(ratio - 1) <= TOLERANCE:
        return pods
    wanted = math.ceil(then_ready * ratio)
    return min(max(wanted, pods), max(2 * pods, pods + 4), scaling.most_pods)


def _started(scaling: Scaling, second: int, pods: int, wanted: int) -> list[int]:
    start = second + scaling.start_seconds
    return [
        start if number < scaling.room else start + scaling.node_seconds for number in range(pods, wanted)
    ]
