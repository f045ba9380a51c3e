"""Rules of the simulated gateways: nothing is lost uncounted, and what they do is what real ones did."""

from dataclasses import replace

import pytest

from tidemill_scale import measured
from tidemill_scale.fleet import Fleet, Outcome, Run
from tidemill_scale.gateway import Costs

COSTS = measured.COSTS
OVERLOAD = replace(COSTS, gateway_request=1e-3)


def two_gateways(per_second: float, fleet: Fleet | None = None) -> Outcome:
    fleet = fleet or Fleet(gateways=2, model_cores=4, models=3)
    return Run(fleet, COSTS, seconds=0.4).open(per_second)


@pytest.mark.parametrize(
    ("fleet", "costs"),
    [
        (Fleet(gateways=2, model_cores=2, models=3), COSTS),
        (Fleet(gateways=2, model_cores=2), OVERLOAD),
        (Fleet(gateways=2, model_cores=2, lost_after=0.1, notice_seconds=0.1), COSTS),
    ],
)
def test_every_request_has_one_end(fleet: Fleet, costs: Costs) -> None:
    outcome = Run(fleet, costs, seconds=0.4).open(2_500)

    assert outcome.arrived > 500
    assert outcome.arrived == sum(outcome.ends.values())
    assert len(outcome.waited) == outcome.ends["answered"]


def test_callers_who_ask_again_are_all_answered() -> None:
    outcome = Run(Fleet(gateways=1, model_cores=None), COSTS, seconds=0.3).closed(8)

    assert outcome.ends == {"answered": outcome.arrived}


def test_a_simulation_repeats_itself() -> None:
    assert two_gateways(1_000) == two_gateways(1_000)


def test_one_request_alone_takes_what_it_costs() -> None:
    outcome = Run(Fleet(gateways=1, model_cores=None), COSTS, seconds=0.2).closed(1)

    alone = COSTS.gateway_request + COSTS.gateway_call + COSTS.model_request + COSTS.model_call
    assert outcome.percentile_ms(0.5) == pytest.approx(1e3 * (alone + 2 * COSTS.wire_seconds))


@pytest.mark.parametrize("real", measured.QUIET)
def test_speed_and_time_are_those_of_the_real_gateway(real: measured.Closed) -> None:
    outcome = Run(Fleet(gateways=1, model_cores=None), COSTS, seconds=0.3).closed(real.connections)

    assert outcome.per_second == pytest.approx(real.per_second, rel=0.1)
    assert outcome.percentile_ms(0.5) == pytest.approx(real.p50_ms, rel=0.1)


def test_many_models_join_less_than_one() -> None:
    one = two_gateways(6_000, Fleet(gateways=2, model_cores=4, models=1))
    many = two_gateways(6_000, Fleet(gateways=2, model_cores=4, models=30))

    assert one.requests_per_call > 1.3 * many.requests_per_call
    assert one.gateway_cores < many.gateway_cores


def test_beyond_capacity_most_of_it_is_still_answered() -> None:
    """The real gateway answers 56 % of its peak then, with the model server on its core."""
    outcome = Run(Fleet(gateways=1, model_cores=2), OVERLOAD, seconds=0.5, warm_up_seconds=2).open(2_000)

    assert outcome.ends["refused"] > 0.3 * outcome.arrived
    assert outcome.per_second > 0.7 / OVERLOAD.gateway_request


def test_a_lost_gateway_takes_no_more_than_its_share_along() -> None:
    fleet = Fleet(gateways=4, model_cores=8, lost_after=0.2, notice_seconds=0.1)

    outcome = two_gateways(2_000, fleet)

    sent_there = 2_000 * 0.1 / 4
    assert 0.5 * sent_there < outcome.ends["lost"] < 1.5 * sent_there + 20
