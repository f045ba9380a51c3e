"""Rules of calls, the same for every client that meets every server."""

import asyncio
import json
import time
from typing import Any

import grpc
import pytest
from rpc_world import until

CODE = grpc.StatusCode
MEGABYTE = 2**20


async def failure(call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as failed:
        await call
    return failed.value


async def test_an_answer_is_what_the_handler_returned(world: Any) -> None:
    assert [await world.call("echo", text) for text in (b"one", b"", b"\0" * 70_000)] == [
        b"one",
        b"",
        b"\0" * 70_000,
    ]


@pytest.mark.parametrize("details", ["", "no such model", "näh: 100 % \n\t😀", "x" * 5000])
async def test_a_refusal_arrives_with_its_code_and_words(world: Any, details: str) -> None:
    for code in (CODE.NOT_FOUND, CODE.INVALID_ARGUMENT, CODE.UNAUTHENTICATED):
        refused = await failure(world.call("fail", json.dumps([code.name, details]).encode()))

        assert (refused.code(), refused.details()) == (code, details)


async def test_what_breaks_in_a_handler_is_unknown_and_breaks_nothing_else(world: Any) -> None:
    refused = await failure(world.call("break_down", b"key"))

    assert refused.code() is CODE.UNKNOWN
    assert await world.call("echo", b"still there") == b"still there"


async def test_a_method_that_is_not_there_is_unimplemented(world: Any) -> None:
    refused = await failure(world.call("guess", b"x" * 100_000))

    assert (refused.code(), refused.details()) == (CODE.UNIMPLEMENTED, "Method not found!")
    assert await world.call("echo", b"still there") == b"still there"


async def test_metadata_is_passed_on(world: Any) -> None:
    sent = (
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("a", "b " * 200 + "c"),
    )

    seen = json.loads(await world.call("metadata", metadata=sent))

    assert {name: seen[name] for name, _ in sent} == dict(sent)


async def test_a_call_ends_at_its_deadline_on_both_sides(world: Any) -> None:
    began = time.monotonic()
    refused = await failure(world.call("wait", b"x", seconds=0.2))

    assert refused.code() is CODE.DEADLINE_EXCEEDED
    assert time.monotonic() - began > 0.15
    await until(lambda: world.service.cancelled == world.service.begun)


async def test_a_call_without_time_is_late_at_once(world: Any) -> None:
    refused = await failure(world.call("wait", b"x", seconds=1e-6))

    assert refused.code() is CODE.DEADLINE_EXCEEDED


async def test_a_call_that_is_given_up_is_cancelled_at_the_server(world: Any) -> None:
    call = asyncio.ensure_future(world.call("wait", b"x"))
    await until(lambda: world.service.begun == 1)

    call.cancel()

    await until(lambda: world.service.cancelled == 1)
    assert await world.call("echo", b"still there") == b"still there"


async def test_large_messages_go_both_ways(world: Any) -> None:
    request = bytes(range(256)) * (20 * MEGABYTE // 256)

    assert await world.call("echo", request) == request
    assert len(await world.call("grow", b"%d" % (20 * MEGABYTE))) == 20 * MEGABYTE


async def test_small_calls_pass_beside_large_ones(world: Any) -> None:
    large = [world.call("grow", b"%d" % (4 * MEGABYTE)) for _ in range(4)]
    small = [world.call("echo", b"%d" % number) for number in range(50)]

    answers = await asyncio.gather(*large, *small)

    assert [len(answer) for answer in answers[:4]] == [4 * MEGABYTE] * 4
    assert answers[4:] == [b"%d" % number for number in range(50)]


async def test_a_thousand_calls_wait_at_once(world: Any, request: pytest.FixtureRequest) -> None:
    if "sync" in request.node.name:
        pytest.skip("a thread for each of a thousand calls says nothing of the server")
    calls = [asyncio.ensure_future(world.call("wait", b"%d" % number)) for number in range(1000)]
    await until(lambda: world.service.begun == 1000)

    world.service.gate.set()

    assert await asyncio.gather(*calls) == [b"%d" % number for number in range(1000)]


async def test_a_server_that_stops_answers_what_it_has_taken(world: Any) -> None:
    calls = [asyncio.ensure_future(world.call("wait", b"%d" % number)) for number in range(10)]
    await until(lambda: world.service.begun == 10)
    stopping = asyncio.ensure_future(world.stop(20))
    await asyncio.sleep(0.1)

    refused = await failure(world.call("echo", b"late"))
    world.service.gate.set()

    assert await asyncio.gather(*calls) == [b"%d" % number for number in range(10)]
    assert refused.code() is CODE.UNAVAILABLE
    await asyncio.wait_for(stopping, 20)


async def test_a_server_without_patience_leaves_its_callers_with_an_error(world: Any) -> None:
    call = asyncio.ensure_future(world.call("wait", b"x"))
    await until(lambda: world.service.begun == 1)

    await world.stop(0.1)

    assert (await failure(call)).code() in (CODE.UNAVAILABLE, CODE.CANCELLED)
    await until(lambda: world.service.cancelled == 1)
