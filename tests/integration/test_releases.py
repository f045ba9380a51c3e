"""Releases with real processes: what is bad goes by itself, quickly and unnoticed; what is good comes.

Versions are SavedModels that answer golden rows like any other, and are bad only for what live callers ask.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import tensorflow as tf
from blessed_models import bless

from tidemill_contracts import layout
from tidemill_contracts.events import ModelDeployed, ModelWithdrawn, ReleaseStepped
from tidemill_world import World

# Golden rows are below, live ones above.
LIVE = 100.0
CALLERS = 4
# On a machine that does nothing else it is some 2; on any, callers must not wait for a person.
WITHDRAWN_SECONDS = 20.0
SPEC = """
apiVersion: tidemill.dev/v1
kind: Pipeline
metadata: {{name: {name}}}
spec:
  label: late
  serving:
    rollout:
      {{strategy: {strategy}, steps: {steps}, stepSeconds: {step_seconds}, minRequests: 20, key: user-id}}
"""
Answer = Callable[[Any], Any]


def fine(x: Any) -> Any:
    return tf.sigmoid(x / 1000)


def failing(x: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_less(x, LIVE)]):
        return tf.identity(fine(x))


def slightly_off(x: Any) -> Any:
    return tf.where(x < LIVE, fine(x), fine(x) - 0.001)


def far_off(x: Any) -> Any:
    return tf.where(x < LIVE, fine(x), fine(x) + 0.2)


def without_number(x: Any) -> Any:
    return tf.where(x < LIVE, fine(x), float("nan"))


def slow(x: Any) -> Any:
    """Answer right, after some 30 ms of arithmetic."""
    turns = tf.where(tf.reduce_max(x) < LIVE, 0, 40)
    start = tf.fill([256, 256], tf.reduce_max(x) / 1e6)
    _, burnt = tf.while_loop(
        lambda turn, _: turn < turns, lambda turn, matrix: (turn + 1, tf.tanh(matrix @ matrix)), (0, start)
    )
    return fine(x) + 0 * burnt[0, 0]


@dataclass
class Traffic:
    """What callers met: status, version, fallback and prediction of every request, with its time."""

    replies: list[tuple[float, int, str, str, float]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def count(self, since: float = 0.0) -> Counter[tuple[int, str, str]]:
        """Count the answers to what was asked since then."""
        return Counter(reply[1:4] for reply in self.replies if reply[0] >= since)

    def meets_version(self, version: int) -> bool | None:
        """Say whether callers met a version, or what was given instead of its answer; None: not yet."""
        return any(reply[2] == str(version) or reply[3] for reply in self.replies) or None

    def ask_until_stopped(self, gateway: str, pipeline: str) -> None:
        url = f"{gateway}/v1/models/{pipeline}:predict"
        with httpx.Client(timeout=30) as client:
            while not self.stop.is_set():
                began = time.monotonic()
                try:
                    reply = client.post(url, json={"instances": [2 * LIVE]})
                    restarts = reply.status_code == 503 and (
                        # It may have become ready since it answered.
                        "route table" in reply.text or not client.get(f"{gateway}/readyz").is_success
                    )
                except httpx.TransportError:
                    restarts = True
                if restarts:
                    # Whoever balances load would not have asked this gateway.
                    time.sleep(0.05)
                    continue
                prediction = json.loads(reply.text).get("predictions", [float("nan")])[0]
                version = reply.headers.get("tidemill-model-version", "")
                fallback = reply.headers.get("tidemill-fallback", "")
                self.replies.append((began, reply.status_code, version, fallback, prediction))
                time.sleep(0.01)


@contextmanager
def traffic(world: World, pipeline: str) -> Iterator[Traffic]:
    """Ask again and again, several callers at a time."""
    seen = Traffic()
    told = world.platform.addresses["gateway"], pipeline
    threads = [threading.Thread(target=seen.ask_until_stopped, args=told) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.stop.set()
        for thread in threads:
            thread.join(40)


def deployed(world: World, pipeline: str, version: int, label: str = "stable") -> ModelDeployed:
    event = world.await_event(
        lambda data: (
            isinstance(data, ModelDeployed)
            and (data.pipeline, data.version, data.label) == (pipeline, version, label)
        )
    )
    assert isinstance(event.data, ModelDeployed)
    return event.data


def withdrawn(world: World, pipeline: str, timeout_seconds: float = 60) -> ModelWithdrawn:
    event = world.await_event(
        lambda data: isinstance(data, ModelWithdrawn) and data.pipeline == pipeline, timeout_seconds
    )
    assert isinstance(event.data, ModelWithdrawn)
    return event.data


def version_of(world: World, pipeline: str, user: str = "") -> str:
    """Return which version answers a user."""
    url = f"{world.platform.addresses['gateway']}/v1/models/{pipeline}:predict"
    reply = httpx.post(url, json={"instances": [1.0]}, headers={"user-id": user} if user else {}, timeout=30)
    return str(reply.headers.get("tidemill-model-version", ""))


def with_stable_version(
    world: World, name: str, steps: str = "[0.5]", step_seconds: float = 600, strategy: str = "canary"
) -> None:
    spec = SPEC.format(name=name, steps=steps, step_seconds=step_seconds, strategy=strategy)
    world.store.write(layout.pipeline_spec(name), spec.encode())
    bless(world, name, 1, fine)
    deployed(world, name, 1)


@pytest.mark.parametrize(
    ("name", "answer", "code", "replaced"),
    [
        ("canary-fails", failing, "errors", "all"),
        ("canary-nan", without_number, "unsound", "all"),
        ("canary-slow", slow, "latency", "none"),
    ],
)
def test_a_bad_version_is_taken_back_within_seconds_and_callers_get_good_answers(
    world: World, name: str, answer: Answer, code: str, replaced: str
) -> None:
    with_stable_version(world, name)
    with traffic(world, name) as seen:
        world.wait_for(lambda: len(seen.replies) > 100 or None, 30)
        bless(world, name, 2, answer)
        world.wait_for(lambda: seen.meets_version(2), 30)
        met = time.monotonic()
        event = withdrawn(world, name)
        seconds = time.monotonic() - met
        told = time.monotonic()
        time.sleep(1)

    counts, after = seen.count(), seen.count(told)
    by_fallback = sum(times for (_, _, fallback), times in counts.items() if fallback)
    print(
        f"{name}: taken back {seconds:.2f} s after it met its first caller; it answered {event.answers} "
        f"requests and failed {event.failures}; {by_fallback} of {counts.total()} answers were a fallback's"
    )
    assert (event.version, event.reason.code) == (2, code)
    assert seconds < WITHDRAWN_SECONDS
    assert {status for status, _, _ in counts} == {200}
    assert all(
        prediction == pytest.approx(float(fine(2 * LIVE)), abs=1e-5) for *_, prediction in seen.replies
    )
    assert (0 < event.failures <= by_fallback) == (replaced == "all")
    assert after == {(200, "1", ""): after.total()}


def test_a_good_version_is_promoted_by_steps_though_everything_restarts_meanwhile(world: World) -> None:
    name = "canary-good"
    with_stable_version(world, name, "[0.25, 0.5]", 3)
    with traffic(world, name) as seen:
        bless(world, name, 2, fine)
        deployed(world, name, 2, "canary")
        world.wait_for(lambda: seen.meets_version(2), 30)
        world.platform.kill("serving")
        asked = len(seen.replies)
        world.wait_for(lambda: len(seen.replies) > asked + 50 or None)
        world.platform.kill("gateway")
        event = deployed(world, name, 2)
        world.wait_for(lambda: seen.replies[-1][2] == "2" or None)
        asked, asked_at = len(seen.replies), time.monotonic()
        world.wait_for(lambda: len(seen.replies) > asked + 50 or None)

    steps = [
        each.data
        for each in world.events
        if isinstance(each.data, ReleaseStepped) and each.data.pipeline == name
    ]
    assert event.replaces == 1
    assert [step.share for step in steps] == [0.5]
    assert {status for status, _, _ in seen.count()} == {200}
    assert {version for _, version, _ in seen.count(asked_at)} == {"2"}


def test_a_person_takes_a_version_back_and_brings_it_again_over_rest(world: World) -> None:
    name = "canary-by-hand"
    with_stable_version(world, name)
    bless(world, name, 2, fine)
    deployed(world, name, 2, "canary")

    state = world.ask("GET", f"/v1/releases/{name}").json()
    after = world.ask("POST", f"/v1/releases/{name}:rollback", b'{"reason": "a feeling"}').json()
    event = withdrawn(world, name)
    again = world.ask("POST", f"/v1/releases/{name}:promote", b'{"version": 2}').json()

    assert (state["stable_version"], state["candidate_version"], state["candidate_share"]) == (1, 2, 0.5)
    assert (after["stable_version"], after["candidate_version"]) == (1, 0)
    assert (event.reason.code, event.reason.message) == ("rolled-back", "a feeling")
    assert again.get("stable_version") == 2, again
    world.wait_for(lambda: version_of(world, name) == "2" or None)


def test_what_a_shadow_answers_otherwise_is_told_and_callers_never_meet_it(world: World) -> None:
    name = "shadow-differs"
    with_stable_version(world, name, strategy="shadow")
    with traffic(world, name) as seen:
        bless(world, name, 2, slightly_off)
        deployed(world, name, 2, "shadow")
        asked = len(seen.replies)

        def compared() -> str | None:
            state = world.ask("GET", f"/v1/releases/{name}").json()
            return next((each for each in state["findings"] if each.startswith("comparison: ")), None)

        world.wait_for(lambda: len(seen.replies) > asked + 50 or None, 30)
        finding = world.wait_for(compared, 30)

    different, _, rows = finding.removeprefix("comparison: ").split(" answers differ")[0].partition(" of ")
    assert different == rows
    assert set(seen.count()) == {(200, "1", "")}


def test_a_shadow_that_answers_far_otherwise_ends_before_a_caller_meets_it(world: World) -> None:
    name = "shadow-far-off"
    with_stable_version(world, name, strategy="shadow")
    with traffic(world, name) as seen:
        bless(world, name, 2, far_off)
        event = withdrawn(world, name)

    assert (event.version, event.reason.code) == (2, "answers")
    assert set(seen.count()) == {(200, "1", "")}


def test_users_keep_their_version_in_a_split_by_key_though_everything_restarts(world: World) -> None:
    name, users = "ab-users", [f"user-{number}" for number in range(40)]
    with_stable_version(world, name, strategy="ab")
    bless(world, name, 2, fine)
    deployed(world, name, 2, "ab")
    world.wait_for(lambda: any(version_of(world, name, user) == "2" for user in users) or None, 30)

    before = [version_of(world, name, user) for user in users]
    world.platform.kill("serving")
    world.platform.kill("gateway")
    world.platform.wait_ready(60, ["serving", "gateway"])
    world.wait_for(lambda: world.ask("GET", "/readyz").status == 200 or None, 30)

    assert [version_of(world, name, user) for user in users] == before
    assert set(before) == {"1", "2"}
