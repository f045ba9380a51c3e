"""Rules of shadows: their answers are compared, and nobody who is answered notices that there is one."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import numpy as np
import pytest
from gateways import is_ready, running_gateway, wait_until
from releases import ONE_NUMBER, Behaving
from tiny_models import (
    Arrays,
    ModelServer,
    Serving,
    TinyModel,
    echo,
    route,
    running_model_server,
    running_serving,
)

from tidemill_contracts.pb.routes_pb2 import Comparison, Route

PREDICT = "/v1/models/m:predict"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serving(stack: ExitStack) -> Serving:
    return stack.enter_context(running_serving(Serving()))


def mirrored(server: ModelServer) -> Route:
    """Return a route whose version 2 is a shadow of version 1."""
    shadowed = route(server, "m", 1, canary=2, release=7)
    shadowed.shadow_versions.append(2)
    return shadowed


def gateway(
    stack: ExitStack, serving: Serving, shadow: TinyModel, live: TinyModel | None = None
) -> httpx.Client:
    models = {("m", 1): live or echo("DT_FLOAT"), ("m", 2): shadow}
    server = stack.enter_context(running_model_server(models))
    serving.publish(mirrored(server))
    client = stack.enter_context(running_gateway(serving.address))
    wait_until(lambda: is_ready(client))
    return client


def compared(serving: Serving) -> Comparison:
    """Sum up what was reported of the shadow."""
    total = Comparison()
    for each in serving.observed(2):
        assert (each.release, each.variant) == (7, "shadow")
        for name in ("rows", "calls", "differing", "failures", "skipped", "distance_sum", "seconds_sum"):
            setattr(total, name, getattr(total, name) + getattr(each.comparison, name))
        total.distance_max = max(total.distance_max, each.comparison.distance_max)
    return total


def test_one_answer_of_a_hundred_that_differs_is_counted_with_its_distance(
    stack: ExitStack, serving: Serving
) -> None:
    def slightly_off(inputs: Arrays) -> Arrays:
        return {"y": np.where(inputs["x"] == np.float32(0.5), np.float32(0.75), inputs["x"])}

    client = gateway(stack, serving, TinyModel(*ONE_NUMBER, slightly_off))

    replies = [client.post(PREDICT, json={"instances": [n / 100]}).json() for n in range(100)]
    wait_until(lambda: compared(serving).rows == 100)

    total = compared(serving)
    assert replies == [{"predictions": [pytest.approx(n / 100)]} for n in range(100)]
    assert (total.calls, total.differing, total.failures, total.skipped) == (100, 1, 0, 0)
    assert total.distance_sum == total.distance_max == pytest.approx(0.25)
    assert serving.codes(2) == {"OK": 100}
    seen = serving.observed(2)
    assert sum(each.answers["0.75"] for each in seen) == 6
    assert sum(sum(each.latencies) for each in seen) == 100


def test_answers_that_differ_by_rounding_are_the_same(stack: ExitStack, serving: Serving) -> None:
    def rounded(inputs: Arrays) -> Arrays:
        return {"y": inputs["x"] * np.float32(1 + 1e-6)}

    client = gateway(stack, serving, TinyModel(*ONE_NUMBER, rounded))

    client.post(PREDICT, json={"instances": [0.1, 10.0, 1000.0]})
    wait_until(lambda: compared(serving).rows == 3)

    assert compared(serving).differing == 0


@pytest.mark.parametrize("error", [RuntimeError("broken"), ValueError("what looks like the caller's fault")])
def test_a_shadow_that_fails_is_counted_and_nobody_else_hears_of_it(
    stack: ExitStack, serving: Serving, error: Exception
) -> None:
    broken = Behaving(2)
    broken.error = error
    client = gateway(stack, serving, broken.model())

    replies = [client.post(PREDICT, json={"instances": [1.0]}) for _ in range(10)]
    wait_until(lambda: compared(serving).failures == 10)

    assert {reply.status_code for reply in replies} == {200}
    assert {reply.headers.get("tidemill-fallback") for reply in replies} == {None}
    assert serving.codes(2) == {"INTERNAL" if isinstance(error, ValueError) else "UNKNOWN": 10}


def test_how_much_longer_the_shadow_takes_is_reported(stack: ExitStack, serving: Serving) -> None:
    def slow(inputs: Arrays) -> Arrays:
        time.sleep(0.1)
        return {"y": inputs["x"]}

    client = gateway(stack, serving, TinyModel(*ONE_NUMBER, slow))

    for _ in range(5):
        client.post(PREDICT, json={"instances": [1.0]})
    wait_until(lambda: compared(serving).calls == 5)

    assert 0.25 < compared(serving).seconds_sum < 30


def test_a_version_asked_for_by_number_has_no_shadow(stack: ExitStack, serving: Serving) -> None:
    shadow = Behaving(2)
    client = gateway(stack, serving, shadow.model())

    client.post("/v1/models/m/versions/1:predict", json={"instances": [1.0]})
    time.sleep(0.2)

    assert shadow.calls == 0


def test_requests_that_were_joined_are_mirrored_as_one_call(stack: ExitStack, serving: Serving) -> None:
    live, shadow = Behaving(1), Behaving(1)

    def slow(inputs: Arrays) -> Arrays:
        time.sleep(0.02)
        return live(inputs)

    client = gateway(stack, serving, shadow.model(), TinyModel(*ONE_NUMBER, slow))

    async def ask_at_once() -> None:
        async with httpx.AsyncClient(base_url=client.base_url, timeout=30) as together:
            await asyncio.gather(*(together.post(PREDICT, json={"instances": [1.0]}) for _ in range(80)))

    asyncio.run(ask_at_once())
    wait_until(lambda: compared(serving).rows == 80)

    assert shadow.calls == live.calls < 40


def p99_seconds(client: httpx.Client, requests: int = 200) -> float:
    seconds = []
    for _ in range(requests):
        begin = time.perf_counter()
        assert client.post(PREDICT, json={"instances": [1.0]}).status_code == 200
        seconds.append(time.perf_counter() - begin)
    return float(np.quantile(seconds, 0.99))


def test_a_shadow_that_hangs_costs_nobody_time_and_what_it_misses_is_counted(
    stack: ExitStack, serving: Serving
) -> None:
    hanging = Behaving(2)
    client = gateway(stack, serving, hanging.model())
    stack.callback(hanging.hangs.set)
    p99_seconds(client)

    with_it, without = [], []
    for _ in range(3):
        hanging.hangs.clear()
        with_it.append(p99_seconds(client))
        hanging.hangs.set()
        wait_until(lambda: hanging.calls > 0)
        without.append(p99_seconds(client))
    wait_until(lambda: compared(serving).skipped > 0)

    print(
        f"p99 of live answers: {min(with_it):.4f} s beside a hanging shadow, {min(without):.4f} s otherwise"
    )
    assert min(with_it) < min(without) * 2 + 0.02
    assert compared(serving).skipped > 300
