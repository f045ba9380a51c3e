"""Rules of kept answers: the same question costs one call of the model, and nobody gets another's answer."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import pytest
from gateways import is_ready, running_gateway, wait_until
from tiny_models import Arrays, Serving, TinyModel, route, running_model_server, running_serving


class Counting:
    """Adds a number, after a while, and counts the rows it was asked."""

    def __init__(self, addend: float = 0, seconds: float = 0) -> None:
        self.rows = 0
        self._addend = addend
        self._seconds = seconds

    def __call__(self, inputs: Arrays) -> Arrays:
        self.rows += inputs["x"].size
        time.sleep(self._seconds)
        if (inputs["x"] < 0).any():
            raise ValueError("expected no negative number")
        return {"y": inputs["x"] + np.float32(self._addend)}


def model(run: Any) -> TinyModel:
    return TinyModel({"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}, run, ("serving_default", "other"))


@contextmanager
def gateway_of(
    *runs: Any, cache_seconds: float = 60, **changes: Any
) -> Iterator[tuple[httpx.Client, Serving]]:
    """Serve models `a`, `b`, ... whose answers are kept."""
    serving = Serving()
    models = {(chr(97 + number), 1): model(run) for number, run in enumerate(runs)}
    with running_model_server(models) as server:
        routes = [route(server, name, 1) for name, _ in models]
        for one in routes:
            one.cache_seconds = cache_seconds
        serving.publish(*routes)
        with running_serving(serving), running_gateway(serving.address, **changes) as client:
            wait_until(lambda: is_ready(client))
            yield client, serving


def ask(client: httpx.Client, x: object, name: str = "a", **more: object) -> httpx.Response:
    return client.post(f"/v1/models/{name}:predict", json={"instances": x, **more})


def test_a_question_asked_again_costs_no_call_and_says_so() -> None:
    run = Counting(1)
    with gateway_of(run) as (client, _):
        first, again = ask(client, [1, 2]), ask(client, [1.0, 2.0])

    assert first.content == again.content == b'{"predictions":[2.0,3.0]}'
    assert ("tidemill-cache" in first.headers, again.headers["tidemill-cache"]) == (False, "hit")
    assert run.rows == 2


def test_rows_and_columns_are_the_same_question_in_two_forms() -> None:
    run = Counting(1)
    with gateway_of(run) as (client, _):
        ask(client, [1, 2])
        columns = client.post("/v1/models/a:predict", json={"inputs": [1, 2]})

    assert columns.json() == {"outputs": [2.0, 3.0]}
    assert run.rows == 2


def test_another_model_signature_or_input_is_another_question() -> None:
    one, ten = Counting(1), Counting(10)
    with gateway_of(one, ten) as (client, _):
        answers = [
            ask(client, [1]).json(),
            ask(client, [1], "b").json(),
            ask(client, [1], signature_name="other").json(),
            ask(client, [[1]]).json(),
            ask(client, [2]).json(),
        ]

    assert answers == [{"predictions": value} for value in ([2.0], [11.0], [2.0], [[2.0]], [3.0])]
    assert (one.rows, ten.rows) == (4, 1)


def test_those_who_ask_the_same_at_once_share_one_call() -> None:
    run = Counting(1, seconds=0.2)

    async def ask_at_once(url: str) -> list[httpx.Response]:
        async with httpx.AsyncClient(timeout=10) as client:
            posts = [client.post(url, json={"instances": [5]}) for _ in range(20)]
            return list(await asyncio.gather(*posts))

    with gateway_of(run) as (client, _):
        replies = asyncio.run(ask_at_once(f"{client.base_url}/v1/models/a:predict"))

    assert {reply.content for reply in replies} == {b'{"predictions":[6.0]}'}
    assert run.rows == 1


def test_who_waits_for_anothers_call_is_answered_though_the_other_leaves() -> None:
    async def ask_and_leave(url: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=10) as client:
            leaves = asyncio.create_task(client.post(url, json={"instances": [5]}))
            await asyncio.sleep(0.1)
            stays = asyncio.create_task(client.post(url, json={"instances": [5]}))
            await asyncio.sleep(0.1)
            leaves.cancel()
            return await stays

    with gateway_of(Counting(1, seconds=0.4)) as (client, _):
        reply = asyncio.run(ask_and_leave(f"{client.base_url}/v1/models/a:predict"))

    assert reply.json() == {"predictions": [6.0]}


def test_a_failure_is_kept_for_nobody() -> None:
    run = Counting()
    with gateway_of(run) as (client, _):
        codes = [ask(client, [-1]).status_code for _ in range(2)]

    assert codes == [400, 400]
    assert run.rows == 2


def test_an_answer_that_is_no_number_is_kept_for_nobody() -> None:
    run = Counting(np.nan)
    with gateway_of(run) as (client, _):
        replies = [ask(client, [1]) for _ in range(2)]

    assert [reply.text for reply in replies] == ['{"predictions":[NaN]}'] * 2
    assert run.rows == 2


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"cache_seconds": 0.05}, id="time"),
        pytest.param({"cache_bytes": 2000}, id="space"),
        pytest.param({"cache_seconds": 0}, id="off"),
    ],
)
def test_answers_are_kept_no_longer_than_there_is(changes: dict[str, Any]) -> None:
    run = Counting(1)
    with gateway_of(run, **changes) as (client, _):
        for x in (1, 2, 3):
            ask(client, [x])
        time.sleep(0.1)
        again = ask(client, [1])

    assert "tidemill-cache" not in again.headers
    assert run.rows == 4


def test_another_version_does_not_answer_from_what_the_last_one_said() -> None:
    serving = Serving()
    models = {("a", 1): model(Counting(1)), ("a", 2): model(Counting(2))}
    with running_model_server(models) as server, running_serving(serving):
        tables = {version: route(server, "a", version) for version in (1, 2)}
        for table in tables.values():
            table.cache_seconds = 60
        serving.publish(tables[1])
        with running_gateway(serving.address) as client:
            wait_until(lambda: is_ready(client))
            ask(client, [1])
            serving.publish(tables[2])
            wait_until(lambda: ask(client, [1]).headers["tidemill-model-version"] == "2")
            answer = ask(client, [1]).json()

    assert answer == {"predictions": [3.0]}
