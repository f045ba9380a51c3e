"""Rules of joined requests: fewer calls of the model, the same answers, and no harm from neighbours."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import httpx
import numpy as np
import pytest
from gateways import is_ready, running_gateway, wait_until
from tiny_models import Arrays, Serving, TinyModel, route, running_model_server, running_serving

from tidemill_gateway.coalescing import CALLS_AT_ONCE, Lane, Waiting
from tidemill_gateway.joining import RowForm
from tidemill_gateway.routes import Target
from tidemill_gateway.signatures import Signature

REQUESTS = 40
DOUBLE = {"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}


class Doubling:
    """Doubles numbers, refuses negative ones, and remembers how many rows each call had."""

    def __init__(self, max_rows: int | None = None, seconds: float = 0.02) -> None:
        self.calls: list[int] = []
        self._max_rows = max_rows
        self._seconds = seconds
        self._lock = threading.Lock()

    def __call__(self, inputs: Arrays) -> Arrays:
        with self._lock:
            self.calls.append(len(inputs["x"]))
        time.sleep(self._seconds)
        if self._max_rows is not None and len(inputs["x"]) > self._max_rows:
            raise ValueError(f"expected at most {self._max_rows} rows")
        if (inputs["x"] < 0).any():
            raise ValueError("expected no negative number")
        return {"y": inputs["x"] * 2}


@contextmanager
def gateway_of(run: Any, **changes: Any) -> Iterator[str]:
    """Serve one model; yields the URL to ask it."""
    serving = Serving()
    with running_model_server({("m", 1): TinyModel(*DOUBLE, run)}) as model_server:
        serving.publish(route(model_server, "m", 1))
        with running_serving(serving), running_gateway(serving.address, **changes) as client:
            wait_until(lambda: is_ready(client))
            yield f"{client.base_url}/v1/models/m:predict"


def ask_at_once(url: str, bodies: Sequence[Mapping[str, Any]]) -> list[httpx.Response]:
    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=len(bodies))
        async with httpx.AsyncClient(limits=limits, timeout=30) as client:
            return list(await asyncio.gather(*(client.post(url, json=body) for body in bodies)))

    return asyncio.run(ask())


def test_requests_that_come_together_are_asked_together_and_answered_apart() -> None:
    model = Doubling()
    with gateway_of(model) as url:
        replies = ask_at_once(url, [{"instances": [n, n + 0.5][: 1 + n % 2]} for n in range(REQUESTS)])

    answers = [reply.json()["predictions"] for reply in replies]
    assert answers == [[2.0 * n, 2.0 * n + 1][: 1 + n % 2] for n in range(REQUESTS)]
    assert len(model.calls) < REQUESTS / 2
    assert sum(model.calls) == REQUESTS * 3 / 2


def test_a_request_alone_waits_for_nobody() -> None:
    model = Doubling(seconds=0)
    with gateway_of(model) as url, httpx.Client() as client:
        answers = [client.post(url, json={"instances": [n]}).json()["predictions"] for n in range(5)]

    assert answers == [[0.0], [2.0], [4.0], [6.0], [8.0]]
    assert model.calls == [1] * 5


@pytest.mark.parametrize("poison", [-1.0, "text", [1.0, 2.0], None, {"x": 1}])
def test_a_request_that_is_wrong_spoils_nobody_elses_answer(poison: object) -> None:
    instances = [float(n) if n % 10 else poison for n in range(1, REQUESTS + 1)]
    with gateway_of(Doubling()) as url:
        replies = ask_at_once(url, [{"instances": [instance]} for instance in instances])
        alone = ask_at_once(url, [{"instances": [poison]}])[0]

    for instance, reply in zip(instances, replies, strict=True):
        if instance == poison:
            assert (reply.status_code, reply.content) == (alone.status_code, alone.content)
        else:
            assert reply.json() == {"predictions": [2.0 * float(str(instance))]}


def test_a_model_that_takes_one_row_only_is_asked_row_by_row() -> None:
    model = Doubling(max_rows=1)
    with gateway_of(model) as url:
        first = ask_at_once(url, [{"instances": [n]} for n in range(REQUESTS)])
        model.calls.clear()
        then = ask_at_once(url, [{"instances": [n]} for n in range(REQUESTS)])

    for replies in (first, then):
        assert [reply.json()["predictions"] for reply in replies] == [[2.0 * n] for n in range(REQUESTS)]
    assert model.calls == [1] * REQUESTS


def test_requests_that_do_not_fit_together_leave_joining_on_for_others() -> None:
    model = Doubling()
    with gateway_of(model) as url:
        mixed = ask_at_once(url, [{"instances": [[1.0] * (1 + n % 2)]} for n in range(REQUESTS)])
        model.calls.clear()
        alike = ask_at_once(url, [{"instances": [[1.0, 2.0]]} for _ in range(REQUESTS)])

    assert {reply.status_code for reply in (*mixed, *alike)} == {200}
    assert len(model.calls) < REQUESTS


def test_outputs_that_are_not_row_by_row_are_not_divided() -> None:
    def mean(inputs: Arrays) -> Arrays:
        time.sleep(0.02)
        return {"y": np.array([inputs["x"].mean(), len(inputs["x"])], np.float32)}

    with gateway_of(mean) as url:
        replies = ask_at_once(url, [{"instances": [n, n, n]} for n in range(REQUESTS)])

    assert [reply.json()["predictions"] for reply in replies] == [[float(n), 3.0] for n in range(REQUESTS)]


def test_a_request_has_no_more_time_because_others_joined_it() -> None:
    with gateway_of(Doubling(seconds=8), predict_timeout_seconds=0.5) as url:
        began = time.monotonic()
        replies = ask_at_once(url, [{"instances": [n]} for n in range(REQUESTS)])
        seconds = time.monotonic() - began

    assert {reply.status_code for reply in replies} == {504}
    assert seconds < 7


def test_callers_who_leave_take_nothing_from_those_who_stay() -> None:
    async def ask(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=REQUESTS), timeout=30) as client:
            tasks = [asyncio.create_task(client.post(url, json={"instances": [n]})) for n in range(REQUESTS)]
            await asyncio.sleep(0.1)
            for task in tasks[::2]:
                task.cancel()
            await asyncio.wait(tasks)
            return [task.result() for task in tasks[1::2]]

    with gateway_of(Doubling(seconds=0.3)) as url:
        replies = asyncio.run(ask(url))

    assert [reply.json()["predictions"] for reply in replies] == [[2.0 * n] for n in range(1, REQUESTS, 2)]


def test_calls_have_no_more_rows_than_the_setting_allows() -> None:
    model = Doubling()
    with gateway_of(model, max_joined_rows=16) as url:
        replies = ask_at_once(url, [{"instances": [n, n]} for n in range(REQUESTS)])

    assert all(reply.status_code == 200 for reply in replies)
    assert max(model.calls) <= 16


def test_joining_can_be_switched_off() -> None:
    model = Doubling()
    with gateway_of(model, max_joined_rows=0) as url:
        ask_at_once(url, [{"instances": [n]} for n in range(REQUESTS)])

    assert model.calls == [1] * REQUESTS


def test_a_second_call_leaves_when_as_many_wait_as_the_first_took() -> None:
    model = Doubling(seconds=0.3)
    with gateway_of(model) as url:
        ask_at_once(url, [{"instances": [n]} for n in range(REQUESTS)])

    assert len(model.calls) <= 6


@pytest.mark.parametrize(
    ("waiting", "calls", "now", "leaves"),
    [
        pytest.param(0, 0, 9.0, False, id="nothing to send"),
        pytest.param(1, 0, 9.0, True, id="alone"),
        pytest.param(19, 1, 9.0, False, id="fewer than are on their way"),
        pytest.param(20, 1, 9.0, True, id="as many as are on their way"),
        pytest.param(1, 1, 10.0, True, id="few, for long enough"),
        pytest.param(99, CALLS_AT_ONCE, 99.0, False, id="enough calls on their way"),
    ],
)
def test_a_call_leaves_when_it_is_worth_it_or_others_take_long(
    waiting: int, calls: int, now: float, *, leaves: bool
) -> None:
    key = Target("x", "m", 1), "s", RowForm()
    lane = Lane(key, Signature("s", {}), calls=calls, under_way=20 * calls, patient_until=10.0)

    async def alone() -> NoReturn:
        raise AssertionError("expected nobody to be asked")

    async def may_send() -> bool:
        answer = asyncio.get_running_loop().create_future()
        lane.waiting.extend([Waiting([1], 1, 99.0, (), alone, answer)] * waiting)
        return lane.may_send(now)

    assert asyncio.run(may_send()) is leaves


def test_tensors_are_joined_as_rows_are() -> None:
    model = Doubling()
    bodies = [
        {"inputs": [{"name": "x", "shape": [2], "datatype": "FP32", "data": [n, n + 1]}]}
        for n in range(REQUESTS)
    ]
    with gateway_of(model) as url:
        replies = ask_at_once(url.replace("/v1/models/m:predict", "/v2/models/m/infer"), bodies)

    answers = [reply.json()["outputs"][0]["data"] for reply in replies]
    assert answers == [[2.0 * n, 2.0 * n + 2] for n in range(REQUESTS)]
    assert len(model.calls) < REQUESTS / 2
    assert sum(model.calls) == 2 * REQUESTS


def test_a_tensor_that_is_wrong_spoils_nobody_elses_answer() -> None:
    data = [float(n) if n % 10 else -1.0 for n in range(REQUESTS)]
    bodies = [{"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [x]}]} for x in data]
    with gateway_of(Doubling()) as url:
        replies = ask_at_once(url.replace("/v1/models/m:predict", "/v2/models/m/infer"), bodies)

    for x, reply in zip(data, replies, strict=True):
        if x < 0:
            assert reply.status_code == 400
        else:
            assert reply.json()["outputs"][0]["data"] == [2 * x]
