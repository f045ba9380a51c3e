"""Gateways in front of model servers, request by request: how many a load needs, what a lost one costs."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from tidemill_scale.gateway import Costs, Gateway, Request, new_gateway
from tidemill_scale.simulated import Clock, Cores


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """`model_cores` are of all model servers together; None: all share the one core of the only gateway.

    Each request is for one of `models`, all of them asked as often.
    `lost_after` seconds one gateway ends; `notice_seconds` later no more is sent to it.
    """

    gateways: int
    model_cores: int | None
    models: int = 1
    good_seconds: float = 0.05
    lost_after: float | None = None
    notice_seconds: float = 2.0


@dataclass
class Outcome:
    """What became of the requests that came after the warm-up. `waited` is in seconds, of answers."""

    seconds: float
    ends: Counter[str] = field(default_factory=Counter)
    arrived: int = 0
    calls: int = 0
    gateway_cores: float = 0.0
    model_cores: float = 0.0
    waited: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return self.ends["answered"] / self.seconds

    @property
    def requests_per_call(self) -> float:
        return self.ends["answered"] / max(1, self.calls)

    def percentile_ms(self, share: float) -> float:
        """Return how long this share of the answers took at most."""
        ordered = sorted(self.waited) or [float("nan")]
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Run:
    """One simulation: `seconds` are measured after `warm_up_seconds`."""

    def __init__(self, fleet: Fleet, costs: Costs, seconds: float, warm_up_seconds: float = 0.5) -> None:
        self.clock = Clock()
        self.outcome = Outcome(seconds)
        self._begin, self._end = warm_up_seconds, warm_up_seconds + seconds
        self._dice = random.Random(1)  # noqa: S311 - a simulation is to be repeated
        self._models = Cores(self.clock, fleet.model_cores or 1)
        self._cores = [
            self._models if fleet.model_cores is None else Cores(self.clock, 1) for _ in range(fleet.gateways)
        ]
        self._known = [
            new_gateway(self.clock, costs, core, self._models, fleet.good_seconds) for core in self._cores
        ]
        self._gateways = list(self._known)
        self._wire_seconds = costs.wire_seconds
        self._models_served = fleet.models
        if fleet.lost_after is not None:
            self._plan_loss(fleet.lost_after, fleet.notice_seconds)

    def open(self, per_second: float) -> Outcome:
        """Send requests at random times, however many are unanswered."""

        def send() -> None:
            if self.clock.now < self._end:
                self._ask()
                self.clock.after(self._dice.expovariate(per_second), send)

        send()
        return self._finish()

    def closed(self, connections: int) -> Outcome:
        """Ask on so many connections, on each again as soon as it was answered."""

        def again() -> None:
            if self.clock.now < self._end:
                self._ask(again)

        for _ in range(connections):
            self._ask(again)
        return self._finish()

    def _ask(self, again: Callable[[], None] | None = None) -> None:
        is_measured = self._begin <= self.clock.now < self._end
        self.outcome.arrived += is_measured
        ended = partial(self._ended, is_measured=is_measured, again=again)
        request = Request(self.clock.now, ended, self._dice.randrange(self._models_served))
        self._dice.choice(self._known).take(request)

    def _ended(
        self, request: Request, how: str, *, is_measured: bool, again: Callable[[], None] | None
    ) -> None:
        if is_measured:
            self.outcome.ends[how] += 1
            if how == "answered":
                self.outcome.waited.append(self.clock.now - request.arrived)
        if again is not None:
            self.clock.after(2 * self._wire_seconds, again)

    def _plan_loss(self, after_seconds: float, notice_seconds: float) -> None:
        lost: Gateway = self._gateways[0]
        self.clock.after(self._begin + after_seconds, lost.lose)
        self.clock.after(self._begin + after_seconds + notice_seconds, lambda: self._known.remove(lost))

    def _finish(self) -> Outcome:
        before = self._until(self._begin)
        after = self._until(self._end)
        seconds = self.outcome.seconds
        gateway, model, calls = (late - early for late, early in zip(after, before, strict=True))
        self.outcome.gateway_cores, self.outcome.model_cores = gateway / seconds, model / seconds
        self.outcome.calls = round(calls)
        self.clock.run(self._end + 10)
        return self.outcome

    def _until(self, time: float) -> tuple[float, float, float]:
        self.clock.run(time)
        own = sum(core.busy_seconds for core in self._cores if core is not self._models)
        return own, self._models.busy_seconds, sum(gateway.calls for gateway in self._gateways)
