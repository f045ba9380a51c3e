"""A day of drops with a burst in it: how far ingest and transform fall behind, and what is lost."""

import math
import random
from dataclasses import dataclass

from tidemill_scale.simulated import Clock
from tidemill_scale.subscription import Figures, Message, Subscription
from tidemill_scale.workload import DAY_SECONDS, Workload


@dataclass(frozen=True, kw_only=True)
class Line:
    """What works on drops. Bytes are of the dropped files; `_seconds` are of each drop, whatever its size.

    `ingest_workers` are pods times `concurrency`; a transform pod has one worker. In process, both read so
    many bytes a second; with `dataflow_seconds` passes run elsewhere, and take so long.
    """

    ingest_workers: int
    transform_workers: int
    ingest_bytes_per_second: float
    pass_bytes_per_second: float
    ingest_seconds: float
    warehouse_seconds: float
    dataflow_seconds: float | None = None
    kills_per_worker_hour: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Burst:
    """`share` of the day's drops come within `seconds` from `at_seconds` on, the rest evenly by chance."""

    share: float
    at_seconds: float
    seconds: float


@dataclass(frozen=True)
class Day:
    """What became of a day's drops, and when the last of the burst was a dataset version."""

    ingest: Figures
    transform: Figures
    waiting: int
    drained_seconds: float


def simulate(workload: Workload, line: Line, burst: Burst, days: int = 1) -> Day:
    """Run so many days, the burst in the first, until everything is settled."""
    clock = Clock()

    def pass_seconds(_: Message) -> float:
        window_bytes = workload.window_spans * workload.drop_bytes
        in_process = window_bytes / line.pass_bytes_per_second
        elsewhere = line.dataflow_seconds
        return line.warehouse_seconds + (in_process if elsewhere is None else elsewhere)

    def ingest_seconds(message: Message) -> float:
        return line.ingest_seconds + message.size_bytes / line.ingest_bytes_per_second

    kills = line.kills_per_worker_hour
    transform = Subscription(clock, line.transform_workers, pass_seconds, kills_per_worker_hour=kills)
    ingest = Subscription(
        clock,
        line.ingest_workers,
        ingest_seconds,
        lambda message: transform.publish(message.size_bytes),
        kills,
    )
    for at, size_bytes in _arrivals(workload, burst, days):
        clock.after(at, lambda size_bytes=size_bytes: ingest.publish(size_bytes))  # type: ignore[misc]
    clock.run(burst.at_seconds + burst.seconds)
    drained = _drained(clock, (ingest, transform), days * DAY_SECONDS)
    clock.run(days * DAY_SECONDS)
    return Day(ingest.figures, transform.figures, ingest.waiting + transform.waiting, drained)


def _drained(clock: Clock, line: tuple[Subscription, ...], end: float) -> float:
    """Let time pass until nothing waits; return how long that took, infinity if it never was so."""
    began = clock.now
    while clock.now < end:
        if not any(subscription.waiting for subscription in line):
            return clock.now - began
        clock.run(clock.now + 10)
    return math.inf


def _arrivals(workload: Workload, burst: Burst, days: int) -> list[tuple[float, float]]:
    dice = random.Random(3)  # noqa: S311 - a simulation is to be repeated
    drops = round(workload.drops_per_day)
    at_once = round(burst.share * drops)
    times = [burst.at_seconds + dice.random() * burst.seconds for _ in range(at_once)]
    times += [dice.random() * days * DAY_SECONDS for _ in range(days * drops - at_once)]
    # Log-normal with a shape of 1: one file in a hundred is more than six times the mean.
    return [(at, workload.drop_bytes * dice.lognormvariate(-0.5, 1)) for at in sorted(times)]
