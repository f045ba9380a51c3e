"""The limit of requests at once, against simulated models: time is counted, not waited for."""

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection.guard import Guard
from tidemill_gateway.protection.overload import BAD_SECONDS, FEW_PLACES, LEAST_PLACES, Limit, Places


@dataclass
class Simulation:
    """Requests arrive at random at a model that works on `workers` at once, `work_seconds` each."""

    limit: Limit
    arrivals_per_second: float
    work_seconds: float
    workers: int
    now: list[float]
    waited: list[float] = field(default_factory=list)
    refused: int = 0

    def run(self, seconds: float) -> float:
        """Return the answers per second, of the second half."""
        dice = random.Random(1)
        begin, end = self.now[0], self.now[0] + seconds
        free = [begin] * self.workers
        done: list[tuple[float, float]] = []
        arrival = begin
        answered = 0
        self.waited.clear()
        while arrival < end:
            arrival += dice.expovariate(self.arrivals_per_second)
            while done and done[0][0] <= arrival:
                at, arrived = heapq.heappop(done)
                self.now[0] = at
                self.limit.leave(at - arrived, Code.OK)
                if at > begin + seconds / 2:
                    answered += 1
                    self.waited.append(at - arrived)
            self.now[0] = arrival
            try:
                self.limit.enter()
            except Refused:
                self.refused += 1
                continue
            ready = max(heapq.heappop(free), arrival) + self.work_seconds
            heapq.heappush(free, ready)
            heapq.heappush(done, (ready, arrival))
        for at, arrived in done:
            self.limit.leave(at - arrived, Code.OK)
        return answered / (seconds / 2)


def simulation(
    load: float, work_seconds: float, workers: int, good_seconds: float = 0.1, most: int = 1024
) -> Simulation:
    now = [0.0]
    limit = Limit(Places(good_seconds, most, lambda: now[0]))
    return Simulation(limit, load * workers / work_seconds, work_seconds, workers, now)


@pytest.mark.parametrize(("work_seconds", "workers"), [(0.0005, 1), (0.005, 4), (0.1, 8), (1.0, 8)])
def test_at_twice_saturation_nine_tenths_of_the_peak_are_answered_in_good_time(
    work_seconds: float, workers: int
) -> None:
    model = simulation(0.5, work_seconds, workers)
    model.run(max(10, 50 * work_seconds))
    model.arrivals_per_second *= 4

    answers_per_second = model.run(max(20, 200 * work_seconds))

    assert answers_per_second >= 0.9 * workers / work_seconds
    in_order = sorted(model.waited)
    few_seconds = min(BAD_SECONDS, FEW_PLACES * work_seconds / workers)
    good_seconds = max(0.1, 3 * work_seconds, few_seconds)
    assert in_order[len(in_order) // 2] <= 1.2 * good_seconds
    assert in_order[-1] <= 2 * good_seconds


@pytest.mark.parametrize("work_seconds", [0.001, 2.0])
def test_below_saturation_nothing_is_refused(work_seconds: float) -> None:
    model = simulation(0.7, work_seconds, 16)

    model.run(100 * work_seconds + 10)

    assert model.refused == 0


def test_a_model_that_becomes_slow_for_good_is_given_its_places_back() -> None:
    model = simulation(0.5, 0.005, 16)
    model.run(10)
    model.work_seconds, model.arrivals_per_second = 0.5, 24.0

    model.run(60)
    model.refused = 0
    answers_per_second = model.run(60)

    assert answers_per_second >= 0.9 * 24


def test_after_overload_all_are_let_in_again() -> None:
    model = simulation(3, 0.005, 4)
    model.run(10)
    model.arrivals_per_second /= 6
    model.run(10)
    model.refused = 0

    model.run(20)

    assert model.refused == 0


def test_errors_that_come_quickly_teach_nothing() -> None:
    now = [0.0]
    limit = Limit(Places(0.1, 200, lambda: now[0]))
    for _ in range(10):
        limit.enter()
        limit.leave(0.001, Code.OK)
    for _ in range(180):
        limit.enter()

    now[0] = 1
    for number in range(180):
        now[0] += 0.01
        is_slow = number % 4 == 0
        limit.leave(0.5 if is_slow else 0.001, Code.OK if is_slow else Code.INVALID_ARGUMENT)

    assert limit.limit < 100


def test_a_stall_of_the_machine_does_not_refuse_the_few() -> None:
    model = simulation(0.3, 0.001, 1)
    model.run(5)
    for _ in range(50):
        for _ in range(FEW_PLACES):
            model.limit.enter()
        model.now[0] += 0.5
        for _ in range(FEW_PLACES):
            model.limit.leave(0.5, Code.OK)

    assert model.limit.limit >= FEW_PLACES


def guard(places: Places, is_known: Callable[[str], bool] = lambda _name: True) -> Guard:
    return Guard(is_known=is_known, places=places)


def nothing(_name: bytes) -> None:
    return None


def test_one_model_does_not_take_the_places_of_another_but_all_together_are_bounded() -> None:
    places = Places(0.1, 10)
    guarding = guard(places)
    admissions = [guarding.admit(nothing, Role.PREDICT, "a", predicts=True) for _ in range(9)]
    other = guarding.admit(nothing, Role.PREDICT, "b", predicts=True)

    with pytest.raises(Refused) as refused:
        guarding.admit(nothing, Role.PREDICT, "b", predicts=True)
    other.release(0.01, Code.OK)
    guarding.admit(nothing, Role.PREDICT, "b", predicts=True)

    assert refused.value.code is Code.UNAVAILABLE
    assert refused.value.reason == "overloaded"
    assert refused.value.retry_after_seconds is not None
    assert len(admissions) == 9


def test_what_is_no_prediction_is_let_in_when_nothing_else_is() -> None:
    guarding = guard(Places(0.1, 1))
    guarding.admit(nothing, Role.PREDICT, "a", predicts=True)

    guarding.admit(nothing, Role.DEPLOY, "a")
    guarding.admit(nothing, Role.FEEDBACK, "a")
    guarding.admit(nothing, Role.PREDICT, "a")


def test_guessed_names_share_one_limit_and_models_that_are_gone_leave_none() -> None:
    known = {"a", "b"}
    guarding = guard(Places(0.1, 10), known.__contains__)
    for name in ("a", "b", *(f"guess{number}" for number in range(10_000))):
        guarding.admit(nothing, Role.PREDICT, name, predicts=True).release(0.01, Code.NOT_FOUND)
    remembered = len(guarding._by_model)  # noqa: SLF001 - not seen otherwise
    known.clear()
    known.add("c")
    guarding.admit(nothing, Role.PREDICT, "c", predicts=True)

    assert remembered == 3
    assert len(guarding._by_model) == 1  # noqa: SLF001


def test_a_limit_leaves_a_few_places_whatever_happens() -> None:
    model = simulation(20, 5.0, 1)

    model.run(500)

    assert model.limit.limit >= LEAST_PLACES
