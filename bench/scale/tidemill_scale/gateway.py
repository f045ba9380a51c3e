"""One gateway as it is simulated: an event loop on one core, with the gateway's own rules.

A turn of the loop takes all that waits: requests to read, answers to hand out. At its end calls leave by the
rule of `tidemill_gateway.coalescing`, with its constants. Who is let in is decided by the gateway's own
`Limit`, which runs here on simulated time.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tidemill_gateway.coalescing import CALLS_AT_ONCE, PATIENCE_SECONDS
from tidemill_gateway.errors import Code
from tidemill_gateway.protection.overload import Limit, Places
from tidemill_scale.simulated import Clock, Cores

MOST_IN_FLIGHT = 1024


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Seconds of a core, by request and by call of the model server; `wire_seconds` each way cost no core."""

    gateway_request: float
    gateway_call: float
    model_request: float
    model_call: float
    refusal: float = 19e-6
    wire_seconds: float = 10e-6


@dataclass(eq=False, slots=True)
class Request:
    """One request. `ended` is told how: `answered`, `refused` or `lost`."""

    arrived: float
    ended: Callable[["Request", str], None]
    model: int = 0
    entered: float = 0.0


@dataclass(eq=False, slots=True)
class Lane:
    """What waits for one model, and what is on its way."""

    waiting: list[Request] = field(default_factory=list)
    calls: int = 0
    under_way: int = 0
    patient_until: float = 0.0

    def may_send(self, now: float) -> bool:
        """Say whether a call may leave now."""
        if not self.waiting or self.calls >= CALLS_AT_ONCE:
            return False
        return len(self.waiting) >= self.under_way or now >= self.patient_until


@dataclass(eq=False)
class Gateway:
    """One gateway process, and the model server that it calls."""

    clock: Clock
    costs: Costs
    core: Cores
    models: Cores
    places: Places
    calls: int = 0
    in_hand: set[Request] = field(default_factory=set)
    is_gone: bool = False
    _new: list[Request] = field(default_factory=list)
    _answered: list[Request] = field(default_factory=list)
    _lanes: defaultdict[int, Lane] = field(default_factory=lambda: defaultdict(Lane))
    _limits: dict[int, Limit] = field(default_factory=dict)
    _is_due: bool = False

    def take(self, request: Request) -> None:
        """Receive a request; one to a gateway that is gone is lost."""
        if self.is_gone:
            request.ended(request, "lost")
            return
        self.in_hand.add(request)
        self._new.append(request)
        self._turn()

    def lose(self) -> None:
        """End at once, with all that is in hand."""
        self.is_gone = True
        for request in self.in_hand:
            request.ended(request, "lost")
        self.in_hand.clear()

    def _turn(self) -> None:
        if not self._is_due:
            self._is_due = True
            taken: list[Request] = []
            answered: list[Request] = []
            self.core.work(lambda: self._begin(taken, answered), lambda: self._end(taken, answered))

    def _begin(self, taken: list[Request], answered: list[Request]) -> float:
        """Take what waits; return how long the turn lasts."""
        self._is_due = False
        refused = 0
        for request in self._new:
            limit = self._limit(request)
            if limit.is_full:
                refused += 1
                self._finish(request, "refused")
            else:
                limit.enter()
                request.entered = self.clock.now
                taken.append(request)
        answered += self._answered
        self._new, self._answered = [], []
        halves = len(taken) + len(answered)
        return refused * self.costs.refusal + halves * self.costs.gateway_request / 2

    def _end(self, taken: list[Request], answered: list[Request]) -> None:
        for request in answered:
            self._limit(request).leave(self.clock.now - request.entered, Code.OK)
            self._finish(request, "answered")
        for request in taken:
            self._lanes[request.model].waiting.append(request)
        for model in {request.model for request in (*taken, *answered)}:
            self._send(self._lanes[model])

    def _limit(self, request: Request) -> Limit:
        if request.model not in self._limits:
            self._limits[request.model] = Limit(self.places)
        return self._limits[request.model]

    def _send(self, lane: Lane) -> None:
        while lane.may_send(self.clock.now):
            members, lane.waiting = lane.waiting, []
            lane.calls += 1
            lane.under_way += len(members)
            lane.patient_until = self.clock.now + PATIENCE_SECONDS
            self._call(lane, members)
        if lane.waiting and lane.calls < CALLS_AT_ONCE:
            self.clock.after(max(0.0, lane.patient_until - self.clock.now), lambda: self._send(lane))

    def _call(self, lane: Lane, members: list[Request]) -> None:
        costs, size = self.costs, len(members)
        self.calls += 1

        def ask() -> None:
            self.clock.after(costs.wire_seconds, arrive)

        def arrive() -> None:
            self.models.work(lambda: costs.model_call + size * costs.model_request, reply)

        def reply() -> None:
            self.clock.after(costs.wire_seconds, receive)

        def receive() -> None:
            self.core.work(lambda: costs.gateway_call / 2, received)

        def received() -> None:
            lane.calls -= 1
            lane.under_way -= size
            self._answered += members
            self._turn()

        self.core.work(lambda: costs.gateway_call / 2, ask)

    def _finish(self, request: Request, how: str) -> None:
        if not self.is_gone:
            self.in_hand.discard(request)
            request.ended(request, how)


def new_gateway(clock: Clock, costs: Costs, core: Cores, models: Cores, good_seconds: float) -> Gateway:
    """Make a gateway with the limits that it has by default."""
    return Gateway(clock, costs, core, models, Places(good_seconds, MOST_IN_FLIGHT, lambda: clock.now))
