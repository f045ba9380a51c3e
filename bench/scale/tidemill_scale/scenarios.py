"""The questions that docs/scale.md puts to the simulations."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from tidemill_scale import guessed, measured
from tidemill_scale.autoscaling import Minutes, Scaling, scale
from tidemill_scale.drops import Burst, Day, Line, simulate
from tidemill_scale.fleet import Fleet, Outcome, Run
from tidemill_scale.workload import TARGET

PER_SECOND = TARGET.predictions_per_second
# Between two nodes of a zone; a guess.
NODES = replace(measured.COSTS, wire_seconds=100e-6)
MODEL_CORES = 8
SECONDS = 0.3
FLEETS = (4, 6, 8, 12, 20)


def fleets() -> Iterator[tuple[int, int, Outcome]]:
    """Answer the target's load with more and more gateways: all for one model, and for the target's many."""
    for models in (1, TARGET.pipelines):
        for gateways in FLEETS:
            fleet = Fleet(gateways=gateways, model_cores=MODEL_CORES, models=models)
            yield models, gateways, _run(fleet, PER_SECOND)


def losses() -> Iterator[tuple[int, Outcome]]:
    """Lose one gateway of a fleet; half a second later no more is sent there."""
    for gateways in (4, 8):
        fleet = Fleet(
            gateways=gateways,
            model_cores=MODEL_CORES,
            models=TARGET.pipelines,
            lost_after=0.25,
            notice_seconds=0.5,
        )
        yield gateways, _run(fleet, PER_SECOND, seconds=1)


def _run(fleet: Fleet, per_second: float, seconds: float = SECONDS) -> Outcome:
    return Run(fleet, NODES, seconds, warm_up_seconds=0.1).open(per_second)


@cache
def capacity() -> float:
    """Return how many requests one gateway answers a second when 64 callers ask again at once."""
    fleet = Fleet(gateways=1, model_cores=MODEL_CORES, models=TARGET.pipelines)
    return Run(fleet, NODES, seconds=1, warm_up_seconds=0.1).closed(64).per_second


@cache
def busy_cores(per_second: float) -> float:
    """Return how much of its core a gateway takes at a rate, by steps of an eighth of its capacity."""
    step = capacity() / 8
    number = min(7, int(per_second / step))
    low, high = _busy(number), _busy(number + 1)
    return low + (high - low) * (per_second / step - number)


@cache
def _busy(eighths: int) -> float:
    if not eighths:
        return 0.0
    fleet = Fleet(gateways=1, model_cores=MODEL_CORES, models=TARGET.pipelines)
    return _run(fleet, eighths * capacity() / 8).gateway_cores


@dataclass(frozen=True)
class Doubling:
    """One way to have gateways scaled while the load doubles."""

    name: str
    scaling: Scaling


def doublings() -> Iterator[tuple[Doubling, Minutes]]:
    """Double the target's load within a second, and watch for ten minutes."""
    chart = Scaling(
        per_second=capacity(), busy=busy_cores, pods=4, most_pods=20, request_cores=1.0, target=0.6
    )
    ways = (
        Doubling("the chart's defaults (1 vCPU asked for, 60 %)", settled(chart)),
        Doubling("0.5 vCPU, 60 %", settled(replace(chart, request_cores=0.5))),
        Doubling("1 vCPU, 80 %", settled(replace(chart, target=0.8))),
        Doubling("1 vCPU, 80 %, and no room on the nodes", settled(replace(chart, target=0.8, room=0))),
    )
    load = [PER_SECOND] * 60 + [2 * PER_SECOND] * 540
    for way in ways:
        yield way, scale(way.scaling, load)


def settled(scaling: Scaling) -> Scaling:
    """Return the number of pods that the autoscaler holds at the target's load."""
    minutes = scale(replace(scaling, pods=4), [PER_SECOND] * 900)
    return replace(scaling, pods=minutes.pods[-1])


def line(transform_pods: int, *, on_dataflow: bool = False) -> Line:
    """Return what works on drops: 2 pods of ingest with 2 workers each, and so many of transform."""
    return Line(
        ingest_workers=4,
        transform_workers=transform_pods,
        ingest_bytes_per_second=measured.INGEST_BYTES_PER_CORE_SECOND,
        pass_bytes_per_second=measured.PASS_BYTES_PER_SECOND,
        ingest_seconds=measured.INGEST_READS * guessed.READ_SECONDS
        + measured.INGEST_WRITES * guessed.WRITE_SECONDS
        + measured.INGEST_PAGES * guessed.LIST_PAGE_SECONDS,
        warehouse_seconds=guessed.LOAD_AND_INSERT_SECONDS,
        dataflow_seconds=2 * guessed.DATAFLOW_START_SECONDS if on_dataflow else None,
    )


BURST = Burst(share=0.2, at_seconds=2 * 3600, seconds=600)


def days() -> Iterator[tuple[str, Day]]:
    """Run the target's day, a fifth of it within ten minutes at night."""
    killed = replace(line(16), kills_per_worker_hour=1.0)
    a_day = round(TARGET.drops_per_day / TARGET.pipelines)
    day = replace(TARGET, window_spans=a_day)
    yield "12 transform pods", simulate(TARGET, line(12), BURST)
    yield "16 transform pods", simulate(TARGET, line(16), BURST)
    yield "24 transform pods", simulate(TARGET, line(24), BURST)
    yield "16, each killed once an hour", simulate(TARGET, killed, BURST)
    yield "40, passes on Dataflow", simulate(TARGET, line(40, on_dataflow=True), BURST)
    yield "24, no `data.last`, after a day", simulate(day, line(24), BURST)
