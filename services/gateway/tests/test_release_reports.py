"""Rules of reports: every request is counted once, whatever happens to serving or to a report."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import grpc.aio
import httpx
import pytest
from gateways import is_ready, running_gateway, wait_until
from releases import Behaving, released
from tiny_models import ModelServer, Serving, route, running_model_server, running_serving

from tidemill_gateway.errors import Code
from tidemill_gateway.releasing.choices import Subject
from tidemill_gateway.releasing.observations import Observations
from tidemill_gateway.releasing.reporting import Reporter

PREDICT = "/v1/models/m:predict"
BODY = {"instances": [2.0]}


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(stack: ExitStack) -> ModelServer:
    models = {("m", 1): Behaving(0.25).model(), ("m", 2): Behaving(0.75).model()}
    return stack.enter_context(running_model_server(models))


def ask(client: httpx.Client, times: int) -> int:
    for _ in range(times):
        assert client.post(PREDICT, json=BODY).status_code == 200
    return times


def test_what_versions_answered_is_reported_by_version_release_and_variant(
    stack: ExitStack, server: ModelServer
) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(released(server, 0.5))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    client.post(PREDICT, json={"instances": [1.0, 2.0, 3.0]})
    asked = ask(client, 99) + 1
    wait_until(lambda: serving.codes(1)["OK"] + serving.codes(2)["OK"] == asked)

    for version, variant, bucket in ((1, "stable", "0.25"), (2, "canary", "0.75")):
        seen = serving.observed(version)
        answered = serving.codes(version)["OK"]
        assert {(each.model, each.release, each.variant) for each in seen} == {("m", 7, variant)}
        assert sum(sum(each.latencies) for each in seen) == answered
        assert sum(each.answers[bucket] for each in seen) == answered
    assert any(len(report.observed) == 2 for report in serving.reports)


def test_without_a_release_only_codes_are_reported(stack: ExitStack, server: ModelServer) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(route(server, "m", 1))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    ask(client, 5)
    wait_until(lambda: serving.codes(1)["OK"] == 5)

    assert all(not each.latencies and not each.answers and not each.release for each in serving.observed(1))


def test_of_explanations_only_codes_are_reported(stack: ExitStack) -> None:
    explaining = replace(Behaving(0.25).model(), signatures=("serving_default", "explain"))
    server = stack.enter_context(running_model_server({("m", 1): explaining, ("m", 2): explaining}))
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(released(server, 0.5))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    for _ in range(20):
        client.post(PREDICT, json={"signature_name": "explain", **BODY})
    wait_until(lambda: serving.codes(1)["OK"] + serving.codes(2)["OK"] == 20)

    seen = [each for version in (1, 2) for each in serving.observed(version)]
    assert all(not each.answers and not each.latencies for each in seen)


def test_answers_from_the_cache_are_not_reported(stack: ExitStack, server: ModelServer) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(released(server, 0.5, cache_seconds=60))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    ask(client, 50)
    client.post(PREDICT, json={"instances": [3.0]})
    wait_until(lambda: serving.codes(1).total() + serving.codes(2).total() >= 3)

    assert serving.codes(1).total() + serving.codes(2).total() == 3


def test_nothing_is_lost_while_serving_is_away(stack: ExitStack, server: ModelServer) -> None:
    first, second = Serving(), Serving()
    with running_serving(first):
        first.publish(released(server, 0.5))
        client = stack.enter_context(running_gateway(first.address))
        wait_until(lambda: is_ready(client))
        asked = ask(client, 20)
        wait_until(lambda: first.codes(1)["OK"] + first.codes(2)["OK"] == asked)

    away = ask(client, 30)
    second.publish(released(server, 0.5))
    stack.enter_context(running_serving(second, first.address))
    wait_until(lambda: second.codes(1)["OK"] + second.codes(2)["OK"] == away)

    assert {report.gateway for report in [*first.reports, *second.reports]} == {first.reports[0].gateway}


def test_a_report_that_may_have_been_lost_comes_again_as_it_was(
    stack: ExitStack, server: ModelServer
) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    serving.reports_fail = True
    serving.publish(released(server, 0.5))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    asked = ask(client, 10)
    wait_until(lambda: len(serving.reports) >= 2)
    asked += ask(client, 10)
    again = list(serving.reports)
    serving.reports_fail = False
    wait_until(lambda: serving.codes(1)["OK"] + serving.codes(2)["OK"] == asked)

    assert {report.number for report in again} == {1}
    assert all(report == again[0] for report in again)
    assert serving.reports[-1].number == 2


async def test_who_stops_reports_a_last_time(stack: ExitStack) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    observations = Observations()
    async with grpc.aio.insecure_channel(serving.address) as channel:
        reporting = asyncio.create_task(Reporter(channel, observations).run())
        await asyncio.sleep(0)
        observations.count(Subject("m", 1, 7, "stable"), Code.OK)
        reporting.cancel()
        await asyncio.wait([reporting])

    assert serving.codes(1) == {"OK": 1}


def test_requests_that_are_joined_count_one_by_one_but_were_slow_once(
    stack: ExitStack, server: ModelServer
) -> None:
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(released(server, 0.5))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))

    async def ask_at_once() -> None:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=30) as together:
            await asyncio.gather(*(together.post(PREDICT, json=BODY) for _ in range(80)))

    asyncio.run(ask_at_once())
    wait_until(lambda: serving.codes(1)["OK"] + serving.codes(2)["OK"] == 80)

    seen = [each for version in (1, 2) for each in serving.observed(version)]
    assert sum(sum(each.answers.values()) for each in seen) == 80
    assert 1 <= sum(sum(each.latencies) for each in seen) < 60
