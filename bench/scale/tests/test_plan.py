"""Rules of the plan: what can be redone by hand is, and what it says of the code is so."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tidemill_gateway.recording.group_commit import GATHER_SECONDS
from tidemill_gateway.settings import Settings as GatewaySettings
from tidemill_scale import bottlenecks, limits, prices
from tidemill_scale.demand import Demand
from tidemill_scale.plan import SPANS_PER_PARTITION, Plan
from tidemill_scale.prices import MONTH_HOURS
from tidemill_scale.workload import SIZES, TARGET, Workload
from tidemill_serving.settings import Settings as ServingSettings
from tidemill_trainer.announcing import LATENESS
from tidemill_trainer.settings import Settings as TrainerSettings
from tidemill_transform.bigquery_tables import SPANS

SMALL = Workload(name="small", predictions_per_second=10, pipelines=1, drops_per_day=10, bytes_per_day=10**9)


def test_what_is_said_of_settings_and_code_is_what_they_say() -> None:
    assert SMALL.log_file_seconds == GatewaySettings.model_fields["log_file_seconds"].default
    assert SMALL.trainer_poll_seconds == TrainerSettings.model_fields["poll_seconds"].default
    assert SMALL.trainer_lateness == LATENESS
    assert ServingSettings.model_fields["reconcile_seconds"].default == bottlenecks.RECONCILE_SECONDS
    assert SMALL.feedback_gather_seconds == GATHER_SECONDS
    assert SPANS.range_.interval == SPANS_PER_PARTITION


def test_a_bill_can_be_redone_by_hand() -> None:
    plan = Plan.of(SMALL)

    stored_gb = 30 * (1 + 0.18) + 10 * 7 * 30 * 0.1 * 0.18
    assert plan.stored_bytes == pytest.approx(stored_gb * 1e9)
    assert plan.dollars["Cloud Storage, bytes"] == pytest.approx(0.02 * stored_gb * 1e9 / 2**30)
    read_gb_a_day = 1 * (1 + 100 / 2 * 8 / 250)
    queries = 6.25 * read_gb_a_day * 1e9 / 2**40 * MONTH_HOURS / 24
    assert plan.dollars["BigQuery, INSERT"] == pytest.approx(queries)
    vcpu = 2 * 1 + 1 * 1 + 0.5 + 2 * 2 + 1 * 2 + 0.5 + 0.25 + 1 * 4
    assert plan.dollars["GKE"] == pytest.approx(730 * (vcpu / 0.8 * 0.134012 / 4 + 0.10))


def test_ten_times_as_much_costs_more_and_less_than_eleven_times() -> None:
    totals = [Plan.of(size).total_dollars for size in SIZES]

    for less, more in pairwise(totals):
        assert less < more < 11 * less


@pytest.mark.parametrize("workload", SIZES)
def test_a_gateway_closes_no_file_of_a_model_before_its_time_and_none_is_too_large(
    workload: Workload,
) -> None:
    demand = Demand(workload)
    writers = demand.gateways * workload.pipelines

    assert demand.log_files <= max(writers / workload.log_file_seconds, demand.log_rows / 5_000)
    assert demand.log_rows / demand.log_files <= 5_000


def test_feedback_never_makes_more_objects_than_there_is_feedback() -> None:
    for workload in SIZES:
        assert Demand(workload).feedback_objects <= Demand(workload).feedback


def test_more_trainings_are_never_run_than_datasets_are_made() -> None:
    rare = replace(TARGET, drops_per_day=7)

    assert Demand(rare).trainings_per_day == 7


def test_what_gives_way_gives_way_more_the_more_is_asked() -> None:
    plans = [Plan.of(size) for size in SIZES]

    for each in bottlenecks.ALL:
        shares = [each.share(plan) for plan in plans]
        assert shares == sorted(shares), each.what


def test_every_price_and_limit_names_its_source() -> None:
    for price in prices.ALL:
        assert price.dollars > 0
        assert price.source.startswith("https://")
    for limit in limits.ALL:
        assert limit.most > 0
        assert limit.source.startswith("https://")
