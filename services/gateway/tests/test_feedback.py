"""Rules of `:feedback`: what is answered with 200 is durable, and what is not understood is not taken."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from buckets import FullStore, HangingStore
from gateways import is_ready, running_gateway, wait_until
from tiny_models import Serving, half_plus, route, running_model_server, running_serving

from tidemill_contracts import layout
from tidemill_contracts.recorded import Feedback, read_feedback
from tidemill_runtime.folder import FolderStore

URL = "/v1/models/m:feedback"
KEY = "a-key-of-this-platform"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serving(stack: ExitStack) -> Serving:
    server = stack.enter_context(running_model_server({("m", 3): half_plus(2), ("other", 1): half_plus(1)}))
    serving = stack.enter_context(running_serving(Serving()))
    serving.publish(route(server, "m", 3), route(server, "other", 1))
    return serving


@pytest.fixture
def client(stack: ExitStack, serving: Serving, tmp_path: Path) -> httpx.Client:
    settings: dict[str, Any] = {"bucket_url": tmp_path.as_uri(), "prediction_key": KEY}
    client = stack.enter_context(running_gateway(serving.address, **settings))
    wait_until(lambda: is_ready(client))
    return client


def asked(client: httpx.Client, model: str = "m", rows: int = 2) -> str:
    reply = client.post(f"/v1/models/{model}:predict", json={"instances": [1.0] * rows})
    prediction_id: str = reply.headers["tidemill-prediction-id"]
    return prediction_id


def stored(folder: Path) -> list[Feedback]:
    store = FolderStore(folder)
    return [said for name in store.list(layout.FEEDBACK) for said in read_feedback(store.read(name))]


def test_feedback_is_in_the_bucket_when_it_is_answered(client: httpx.Client, tmp_path: Path) -> None:
    prediction_id = asked(client)

    reply = client.post(
        URL, json={"predictionId": prediction_id, "label": True, "row": 1, "at": "2026-01-02T03:04:05+01:00"}
    )

    assert (reply.status_code, reply.json()) == (200, {"stored": 1})
    [said] = stored(tmp_path)
    assert (said.prediction_id, said.row, said.label, said.reward) == (prediction_id, 1, True, None)
    assert said.said_at_ms == datetime(2026, 1, 2, 2, 4, 5, tzinfo=UTC).timestamp() * 1000
    assert (said.version, said.variant, said.is_logged) == (3, "", False)


def test_feedback_without_a_time_was_said_now(client: httpx.Client, tmp_path: Path) -> None:
    client.post(URL, json={"prediction_id": asked(client), "reward": 0.5})

    [said] = stored(tmp_path)
    assert said.said_at_ms == said.received_at_ms >= said.predicted_at_ms
    assert (said.row, said.reward) == (0, 0.5)


def test_requests_of_one_moment_share_an_object(client: httpx.Client, tmp_path: Path) -> None:
    ids = [asked(client) for _ in range(20)]
    replies: list[httpx.Response] = []
    threads = [
        threading.Thread(
            target=lambda each=each: replies.append(
                client.post(URL, json={"predictionId": each, "reward": 1})
            )
        )
        for each in ids
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [reply.status_code for reply in replies] == [200] * 20
    assert {said.prediction_id for said in stored(tmp_path)} == set(ids)
    assert len(FolderStore(tmp_path).list(layout.FEEDBACK)) < 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictionId": 7}, "Expecting {"),
        ({"predictionId": "x" * 64}, "Expecting a prediction id"),
        ({"reward": 1.5}, "Expecting a reward from 0 to 1"),
        ({"reward": True}, "Expecting a reward from 0 to 1"),
        ({"reward": None}, "Expecting a label or a reward"),
        ({"label": [1]}, "Expecting a label that is"),
        ({"label": "x" * 257}, "Expecting a label that is"),
        ({"row": 2}, "Expecting a row from 0 to 1"),
        ({"row": True}, "Expecting a row from 0 to 1"),
        ({"row": -1}, "Expecting a row from 0 to 1"),
        ({"at": "2026-01-02T03:04:05"}, "Expecting a time"),
        ({"at": 12}, "Expecting a time"),
        (
            {"at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()},
            "Expecting a time that is not in the future",
        ),
        ({"lable": 1}, "Expecting {"),
    ],
)
def test_one_wrong_item_and_none_is_stored(
    client: httpx.Client, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    good = {"predictionId": asked(client), "reward": 1}

    reply = client.post(URL, json=[good, good | change])

    assert reply.status_code == 400
    assert reply.json()["error"].startswith(f"Item 1: {message}")
    assert stored(tmp_path) == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"null", b"[" * 100_000, b"[" + b"1," * 1000 + b"1]"]
)
def test_what_is_no_feedback_is_the_callers_mistake(client: httpx.Client, body: bytes) -> None:
    assert client.post(URL, content=body).status_code == 400


def test_an_id_of_another_model_is_refused(client: httpx.Client) -> None:
    reply = client.post(URL, json={"predictionId": asked(client, "other"), "reward": 1})

    assert reply.status_code == 400
    assert "given with an answer of m but got" in reply.json()["error"]


def test_a_gateway_without_a_bucket_says_so(serving: Serving) -> None:
    with running_gateway(serving.address) as client:
        wait_until(lambda: is_ready(client))
        reply = client.post(URL, json={"predictionId": "x", "reward": 1})

    assert (reply.status_code, reply.json()["error"].split(",")[0]) == (
        501,
        "This gateway has no bucket and key",
    )


@pytest.mark.parametrize(("kind", "status"), [(HangingStore, 504), (FullStore, 503)])
def test_feedback_that_is_not_durable_is_never_answered_with_200(
    serving: Serving, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[FolderStore], status: int
) -> None:
    store = kind(tmp_path)
    monkeypatch.setattr("tidemill_gateway.recording.wiring.open_store", lambda _url: store)
    settings: dict[str, Any] = {"bucket_url": "gs://b", "prediction_key": KEY, "predict_timeout_seconds": 0.3}
    with running_gateway(serving.address, **settings) as client:
        wait_until(lambda: is_ready(client))
        reply = client.post(URL, json={"predictionId": asked(client), "reward": 1})
        still_predicts = client.post("/v1/models/m:predict", json={"instances": [1.0]})
        if isinstance(store, HangingStore):
            store.answers.set()

    assert reply.status_code == status
    assert still_predicts.status_code == 200
