"""Rules of uploads in pieces: a file lands whole and once, or a reply says what is expected next."""

import hashlib
import threading
import time
from base64 import b64encode
from pathlib import Path

import httpx2
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill_ingest.api import create_app
from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused
from tidemill_ingest.pending import Pending
from tidemill_ingest.settings import Settings
from tidemill_ingest.uploads import Upload, sweep
from tidemill_runtime.folder import FolderStore

FILE = bytes(range(200))
OTHER = bytes(reversed(FILE))
URL = "/v1/pipelines/flights/files/jan.csv"
DROP = "drops/flights/jan.csv"


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    store = FolderStore(tmp_path / "bucket")
    store.write("pipelines/flights.yaml", b"metadata: {name: flights}\nspec: {label: late}")
    return store


@pytest.fixture
def client(store: FolderStore, tmp_path: Path) -> TestClient:
    settings = Settings(bucket_url=f"file://{tmp_path}/bucket", scratch_folder=tmp_path, max_file_bytes=1000)
    return TestClient(create_app(settings, store, Pending(1)))


def put(client: TestClient, first: int, end: int, file: bytes = FILE, **headers: str) -> httpx2.Response:
    """Send a piece of a file."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(
        URL,
        content=file[first:end],
        headers={"content-range": f"bytes {first}-{end - 1}/{len(file)}", **sent},
    )


def ask(client: TestClient, **headers: str) -> httpx2.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.put(URL, headers={"content-range": f"bytes */{len(FILE)}", **sent})


def received(reply: httpx2.Response) -> tuple[int, str | None]:
    return reply.status_code, reply.headers.get("range")


def test_pieces_in_order_become_the_file(client: TestClient, store: FolderStore) -> None:
    replies = [ask(client), put(client, 0, 80), ask(client), put(client, 80, 81), put(client, 81, 200)]

    assert list(map(received, replies)) == [
        (308, None),
        (308, "bytes=0-79"),
        (308, "bytes=0-79"),
        (308, "bytes=0-80"),
        (201, None),
    ]
    assert replies[-1].json() == {"object_name": DROP, "bytes": 200}
    assert store.read(DROP) == FILE


def test_a_complete_upload_is_known_for_an_hour(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80)
    put(client, 80, 200)
    generation = store.stat(DROP).generation

    assert ask(client).status_code == 201
    assert put(client, 80, 200).status_code == 201
    assert store.stat(DROP).generation == generation
    sweep(store, 9000, time.time() + 3500)
    assert ask(client).status_code == 201
    sweep(store, 9000, time.time() + 3700)
    assert received(ask(client)) == (308, None)


def test_another_file_of_the_name_and_size_may_follow(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80)
    put(client, 80, 200)

    assert received(put(client, 0, 80, OTHER)) == (308, "bytes=0-79")
    assert put(client, 80, 200, OTHER).status_code == 201
    assert store.read(DROP) == OTHER


@pytest.mark.parametrize(
    ("first", "end", "status", "code", "says"),
    [
        (90, 100, 416, "wrong-range", "expected a piece that begins at byte 80 or before, received 90"),
        (0, 201, 400, "wrong-length", "expected the 201 bytes"),
    ],
)
def test_a_piece_that_does_not_follow_is_refused_with_what_is_expected(
    client: TestClient, first: int, end: int, status: int, code: str, says: str
) -> None:
    put(client, 0, 80)
    reply = client.put(
        URL, content=FILE[first:end], headers={"content-range": f"bytes {first}-{end - 1}/{max(200, end)}"}
    )

    assert (reply.status_code, reply.json()["code"]) == (status, code)
    assert says in reply.json()["error"]
    assert received(ask(client)) == (308, "bytes=0-79")


@pytest.mark.parametrize(
    "content_range",
    [
        "bytes 0-9",
        "bytes 0-9/*",
        "bytes 9-0/20",
        "bytes 9-8/20",
        "bytes 0-20/20",
        "bytes */0",
        "items 0-9/10",
        "bytes -1-5/9",
    ],
)
def test_a_range_that_is_none_is_refused(client: TestClient, content_range: str) -> None:
    reply = client.put(URL, content=b"x" * 10, headers={"content-range": content_range})

    assert (reply.status_code, reply.json()["code"]) == (400, "bad-range")


def test_a_file_over_the_limit_is_refused_at_its_first_piece(client: TestClient, store: FolderStore) -> None:
    reply = client.put(URL, content=b"x", headers={"content-range": "bytes 0-0/1001"})

    assert (reply.status_code, reply.json()["code"]) == (413, "too-large")
    assert store.list("uploads/") == []


def test_a_piece_that_is_sent_again_changes_nothing(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80)

    assert received(put(client, 0, 80)) == (308, "bytes=0-79")
    assert received(put(client, 20, 50)) == (308, "bytes=0-79")
    assert received(put(client, 40, 120)) == (308, "bytes=0-119")
    assert put(client, 100, 200).status_code == 201
    assert store.read(DROP) == FILE


def test_bytes_of_another_file_are_never_mixed_in(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80)
    reply = put(client, 0, 120, OTHER)

    assert (reply.status_code, reply.json()["code"]) == (409, "upload-conflict")
    assert put(client, 80, 200).status_code == 201
    assert store.read(DROP) == FILE


def test_uploads_with_ids_of_their_own_do_not_meet(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80, upload_id="one")
    put(client, 0, 100, OTHER, upload_id="two")

    assert received(ask(client, upload_id="one")) == (308, "bytes=0-79")
    assert put(client, 100, 200, OTHER, upload_id="two").status_code == 201
    assert store.read(DROP) == OTHER
    assert put(client, 80, 200, upload_id="one").status_code == 201
    assert store.read(DROP) == FILE


def test_a_file_that_does_not_fit_its_checksum_begins_anew(client: TestClient, store: FolderStore) -> None:
    right = b64encode(hashlib.md5(FILE, usedforsecurity=False).digest()).decode()
    broken = FILE[:10] + b"?" + FILE[11:]
    put(client, 0, 80, broken)
    reply = put(client, 80, 200, broken, x_goog_hash=f"md5={right}")

    assert (reply.status_code, reply.json()["code"]) == (400, "checksum-mismatch")
    assert store.list("drops/") == []
    assert received(ask(client)) == (308, None)
    put(client, 0, 80)
    assert put(client, 80, 200, x_goog_hash=f"md5={right}").status_code == 201


def test_a_checksum_of_the_file_before_its_end_is_refused(client: TestClient) -> None:
    reply = put(client, 0, 80, content_md5="1B2M2Y8AsgTpgAmY7PhCfg==")

    assert (reply.status_code, reply.json()["code"]) == (400, "bad-checksum")


def test_a_body_that_is_shorter_than_its_range_is_refused_and_what_came_is_kept(client: TestClient) -> None:
    reply = client.put(
        URL,
        content=iter([FILE[:30]]),
        headers={"content-range": "bytes 0-79/200"},  # sent without a length
    )

    assert (reply.status_code, reply.json()["code"]) == (400, "wrong-length")
    assert received(ask(client)) == (308, "bytes=0-29")


def test_an_upload_is_forgotten_after_a_time(client: TestClient, store: FolderStore) -> None:
    put(client, 0, 80)
    sweep(store, 60, time.time() + 50)
    kept = received(ask(client))
    sweep(store, 60, time.time() + 70)

    assert kept == (308, "bytes=0-79")
    assert received(ask(client)) == (308, None)
    assert store.list("uploads/") == []


def test_who_is_behind_when_another_file_completes_is_not_told_that_theirs_landed(
    store: FolderStore, tmp_path: Path
) -> None:
    slow, quick = (Upload(store, "flights", "jan.csv", len(FILE)) for _ in range(2))
    slow.begin()
    quick.begin()
    quick.take(0, FILE)
    quick.land(tmp_path / "body", Checksums(None, None))

    with pytest.raises(Refused, match="upload-conflict"):
        slow.take(0, OTHER)


def test_a_file_that_landed_before_its_server_was_killed_lands_once(
    store: FolderStore, tmp_path: Path
) -> None:
    killed = Upload(store, "flights", "jan.csv", len(FILE))
    killed.begin()
    killed.take(0, FILE)
    killed.land(tmp_path / "body", Checksums(None, None))
    generation = store.stat(DROP).generation
    store.delete(next(name for name in store.list("uploads/") if name.endswith("complete.json")))

    again = Upload(store, "flights", "jan.csv", len(FILE))
    again.land(tmp_path / "body", Checksums(None, None))
    assert (again.is_complete, store.stat(DROP).generation) == (True, generation)


def test_of_many_who_bring_the_same_pieces_at_once_all_succeed_and_one_file_lands(
    store: FolderStore, tmp_path: Path
) -> None:
    barrier = threading.Barrier(4)
    failed: list[BaseException] = []

    def bring(worker: int) -> None:
        barrier.wait()
        try:
            upload = Upload(store, "flights", "jan.csv", len(FILE))
            upload.begin()
            for offset in range(0, len(FILE), 10):
                upload.take(offset, FILE[offset : offset + 10])
            upload.land(tmp_path / f"body-{worker}", Checksums(None, None))
        except BaseException as error:  # noqa: BLE001 - told by the main thread
            failed.append(error)

    workers = [threading.Thread(target=bring, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=30)

    assert failed == []
    assert store.read(DROP) == FILE


PIECES = st.lists(
    st.tuples(st.integers(0, 60), st.integers(1, 30), st.sampled_from([FILE, OTHER])), max_size=40
)


@settings(max_examples=60, deadline=None)
@given(pieces=PIECES)
def test_bytes_that_were_received_stay_and_others_only_go_behind_them(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[tuple[int, int, bytes]]
) -> None:
    store = FolderStore(tmp_path_factory.mktemp("bucket"))
    Upload(store, "flights", "jan.csv", len(FILE)).begin()
    kept = b""
    for offset, size, file in pieces:
        data = file[offset : offset + size]
        upload = Upload(store, "flights", "jan.csv", len(FILE))
        if offset > len(kept) or kept[offset : offset + size] != data[: len(kept) - offset]:
            with pytest.raises(Refused):
                upload.take(offset, data)
        else:
            upload.take(offset, data)
            kept += data[len(kept) - offset :]

    parts = [name for name in store.list("uploads/") if name[-1].isdigit()]
    assert b"".join(map(store.read, parts)) == kept
