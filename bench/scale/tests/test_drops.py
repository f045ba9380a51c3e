"""Rules of simulated subscriptions and of autoscaling: all is accounted for, and as Pub/Sub has it."""

from dataclasses import replace

from tidemill_contracts.topology import MAX_DELIVERY_ATTEMPTS
from tidemill_runtime.consumer import MAX_LEASE_SECONDS
from tidemill_scale.autoscaling import Scaling, scale
from tidemill_scale.drops import simulate
from tidemill_scale.scenarios import BURST, line
from tidemill_scale.simulated import Clock
from tidemill_scale.subscription import Subscription
from tidemill_scale.workload import SIZES

HUNDRED = SIZES[2]
SCALING = Scaling(
    per_second=1_000,
    busy=lambda per_second: per_second / 1_000,
    pods=2,
    most_pods=20,
    request_cores=1,
    target=0.7,
)


def test_every_drop_is_settled_or_waits() -> None:
    day = simulate(HUNDRED, line(3), BURST, days=2)

    assert day.ingest.published == 2 * HUNDRED.drops_per_day
    assert day.ingest.settled == day.transform.published
    in_work = day.ingest.published - day.transform.settled - day.transform.dead - day.waiting
    assert 0 <= in_work <= 3 + 4


def test_with_fewer_workers_than_work_the_backlog_stays() -> None:
    enough = simulate(HUNDRED, line(3), BURST)
    too_few = simulate(HUNDRED, line(1), BURST)

    assert enough.drained_seconds < 6 * 3600
    assert too_few.waiting > 0


def test_work_that_outlasts_its_lease_is_delivered_again_and_settled_once() -> None:
    clock = Clock()
    subscription = Subscription(clock, 2, lambda _: 1.5 * MAX_LEASE_SECONDS)

    subscription.publish(1)
    clock.run(4 * MAX_LEASE_SECONDS)

    assert subscription.figures.settled == 1
    assert 1.5 * MAX_LEASE_SECONDS <= subscription.figures.wasted_seconds < 1.6 * MAX_LEASE_SECONDS


def test_work_that_is_always_killed_becomes_a_dead_letter() -> None:
    clock = Clock()
    subscription = Subscription(clock, 1, lambda _: 1e9, kills_per_worker_hour=60)

    subscription.publish(1)
    clock.run(100 * MAX_DELIVERY_ATTEMPTS * 60)

    assert (subscription.figures.dead, subscription.figures.settled) == (1, 0)


def test_what_ready_pods_can_answer_is_answered() -> None:
    minutes = scale(SCALING, [1_500.0] * 300)

    assert minutes.answered == minutes.asked


def test_a_load_beyond_all_pods_is_refused_until_more_are_ready() -> None:
    minutes = scale(SCALING, [1_200.0] * 60 + [4_000.0] * 300)

    first = 60 + SCALING.start_seconds
    assert all(answered <= 2_000 for answered in minutes.answered[60:first])
    assert minutes.answered[-1] == 4_000
    assert minutes.refused == sum(minutes.asked) - sum(minutes.answered) > 0


def test_without_room_on_the_nodes_it_takes_longer() -> None:
    load = [1_200.0] * 60 + [4_000.0] * 300

    assert scale(replace(SCALING, room=0), load).refused > 1.5 * scale(SCALING, load).refused
