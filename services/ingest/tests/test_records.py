"""Rules of records over HTTP: what is accepted is durable, what is no record is named and spoils nothing."""

import json
import threading
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tidemill_ingest.api import create_app
from tidemill_ingest.pending import Pending
from tidemill_ingest.segments import requests_of
from tidemill_ingest.settings import Settings
from tidemill_runtime.folder import FolderStore

URL = "/v1/pipelines/flights/records"
TWO = [{"carrier": "UA", "delay": {"arrival": 3}}, {"carrier": "AA"}]
NDJSON = {"content-type": "application/x-ndjson"}


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "bucket")
    store.write("pipelines/flights.yaml", b"metadata: {name: flights}\nspec: {label: late}")
    return store


def client_of(store: FolderStore, folder: Path, **settings: int) -> TestClient:
    chosen = Settings.model_validate({"bucket_url": f"file://{folder}/bucket", **settings})
    return TestClient(create_app(chosen, store, Pending(chosen.max_pending_record_bytes)))


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> TestClient:
    return client_of(store, tmp_path)


def stored(store: FolderStore) -> list[object]:
    """Every record that waits to be landed."""
    bodies = [body for name in store.list("records/") for _, body in requests_of(store.read(name))]
    return [json.loads(line) for body in bodies for line in body.splitlines()]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (json.dumps({"records": TWO}, indent=1), {}),
        (json.dumps(TWO), {"content-type": "application/json"}),
        ("\n".join(map(json.dumps, TWO)) + "\n\n", NDJSON),
    ],
    ids=["records", "array", "lines"],
)
def test_accepted_records_are_in_the_bucket(
    client: TestClient, store: FolderStore, body: str, headers: dict[str, str]
) -> None:
    reply = client.post(URL, content=body, headers=headers)

    assert reply.status_code == 202
    assert reply.json()["records"] == 2
    assert stored(store) == TWO


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        ('[{"a": 1}, 5]', "not-a-record", "records[1]: expected a JSON object, received int"),
        (
            '{"records": [{"a": 1}, {"a": [1]}]}',
            "not-a-record",
            "records[1]: column a: expected a single value",
        ),
        ('[{"a": ' + '{"b": ' * 9 + "1" + "}" * 9 + "}]", "not-a-record", "expected at most 8 objects"),
        ('{"rows": []}', "not-records", 'expected {"records"'),
        ("[]", "no-records", "received no record"),
        ("", "not-json", 'expected {"records"'),
        ('[{"a": NaN}]', "not-json", 'expected {"records"'),
        ('[{"": 1}]', "blank-column-name", "expected a name for every column"),
        ('[{"a": 1}, {"A": 1}]', "duplicate-columns", "differ by more than case"),
        (json.dumps([{"a": 1}] * 10_001), "too-many-records", "at most 10000"),
        ("[" * 100_000, "not-json", 'expected {"records"'),
    ],
)
def test_a_request_with_something_that_is_no_record_stores_nothing(
    client: TestClient, store: FolderStore, body: str, code: str, says: str
) -> None:
    reply = client.post(URL, content=body)

    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert says in reply.json()["error"]
    assert store.list("records/") == []


def test_a_line_that_is_no_record_is_named(client: TestClient) -> None:
    reply = client.post(URL, content='{"a": 1}\n\n{"a": \n', headers=NDJSON)

    assert (reply.status_code, reply.json()["code"]) == (400, "not-json")
    assert reply.json()["error"].startswith("line 3: expected a JSON object")


def test_a_request_over_the_limit_is_refused(store: FolderStore, tmp_path: Path) -> None:
    client = client_of(store, tmp_path, max_record_request_bytes=100)
    announced = client.post(URL, content="x" * 101)
    streamed = client.post(URL, content=iter([b"x" * 60] * 2))

    assert [reply.status_code for reply in (announced, streamed)] == [413, 413]
    assert streamed.json()["code"] == "too-large"


def test_records_for_an_unknown_pipeline_are_refused(client: TestClient) -> None:
    assert client.post("/v1/pipelines/nothing/records", json=TWO).status_code == 404


def test_a_key_gives_the_same_answer_again_and_belongs_to_its_records(client: TestClient) -> None:
    first, again = (client.post(URL, json=TWO, headers={"idempotency-key": "k"}) for _ in range(2))
    other = client.post(URL, json=TWO[:1], headers={"idempotency-key": "k"})
    elsewhere = client.post(URL, json=TWO[:1], headers={"idempotency-key": "l"})

    assert first.json() == again.json()
    assert (other.status_code, other.json()["code"]) == (409, "key-reused")
    assert elsewhere.status_code == 202
    assert elsewhere.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_that_is_none_is_refused(client: TestClient, key: str) -> None:
    reply = client.post(URL, json=TWO, headers={"idempotency-key": key})

    assert (reply.status_code, reply.json()["code"]) == (400, "bad-key")


def test_when_too_much_is_waiting_the_sender_is_told_to_come_back(store: FolderStore, tmp_path: Path) -> None:
    client = client_of(store, tmp_path, max_pending_record_bytes=50)
    replies = [client.post(URL, json=TWO) for _ in range(3)]

    assert [reply.status_code for reply in replies] == [202, 503, 503]
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert len(stored(store)) == 2


def test_requests_of_one_moment_share_a_write(store: FolderStore, client: TestClient) -> None:
    statuses: list[int] = []

    def send(number: int) -> None:
        statuses.append(client.post(URL, json=[{"n": number}]).status_code)

    with client:  # one event loop for all
        threads = [threading.Thread(target=send, args=[number]) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)

    assert statuses == [202] * 40
    assert sorted(record["n"] for record in stored(store) if isinstance(record, dict)) == list(range(40))
    assert len(store.list("records/")) < 40
