"""Real servers on one bucket, killed at any moment: what was acknowledged is there, once."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import httpx
import pytest

from tidemill_ingest.uploads import PART_BYTES
from tidemill_runtime.folder import FolderStore

PROGRAM = """
from tidemill_ingest.server import Server
from tidemill_ingest.settings import Settings
from tidemill_runtime.objects import open_store
settings = Settings()
Server(settings, open_store(settings.bucket_url)).run()
"""
DEADLINE_SECONDS = 30
CLIENTS = 4
KILLS = 4


def wait_for(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Server:
    """A process that serves a bucket; it can be killed and started again on the same port."""

    def __init__(self, bucket: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._environment = os.environ | {
            "TIDEMILL_BUCKET_URL": f"file://{bucket}",
            "TIDEMILL_SCRATCH_FOLDER": str(bucket.parent),
            "TIDEMILL_PORT": str(self.port),
            "TIDEMILL_RECORD_BATCH_ROWS": "30",
            "TIDEMILL_RECORD_BATCH_SECONDS": "0.2",
        }
        self.url = f"http://127.0.0.1:{self.port}/v1/pipelines/flights"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", PROGRAM], env=self._environment)

    def wait_ready(self) -> None:
        wait_for(self.answers)

    def answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    FolderStore(tmp_path / "bucket").write(
        "pipelines/flights.yaml", b"metadata: {name: flights}\nspec: {label: late}"
    )
    return tmp_path / "bucket"


@pytest.fixture
def servers(bucket: Path) -> Iterator[list[Server]]:
    started = [Server(bucket) for _ in range(2)]
    for server in started:
        server.wait_ready()
    yield started
    for server in started:
        server.kill()


def test_an_upload_goes_on_where_a_killed_server_left_it(bucket: Path, servers: list[Server]) -> None:
    file = random.Random(1).randbytes(5 * PART_BYTES + 1000)
    store = FolderStore(bucket)
    first, second = servers

    def slowly() -> Iterator[bytes]:
        for offset in range(0, len(file), 1 << 20):
            yield file[offset : offset + (1 << 20)]
            if len(store.list("uploads/")) > 2:
                first.kill()

    with pytest.raises(httpx.TransportError):
        put(first, file, 0, slowly())
    asked = httpx.put(f"{second.url}/files/jan.csv", headers={"content-range": f"bytes */{len(file)}"})
    arrived = int(asked.headers["range"].removeprefix("bytes=0-")) + 1
    reply = put(second, file, arrived, iter([file[arrived:]]))

    assert 2 * PART_BYTES <= arrived < len(file)
    assert reply.status_code == 201
    assert store.read("drops/flights/jan.csv") == file


def test_of_two_who_upload_one_name_at_once_one_file_lands_whole(bucket: Path, servers: list[Server]) -> None:
    files = [random.Random(seed).randbytes(2 * PART_BYTES + 1000) for seed in range(2)]
    statuses: list[int] = []

    def upload(server: Server, file: bytes) -> None:
        statuses.append(put(server, file, 0, iter([file])).status_code)

    clients = [threading.Thread(target=upload, args=pair) for pair in zip(servers, files, strict=True)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(timeout=DEADLINE_SECONDS)

    assert sorted(statuses) in ([201, 201], [201, 409])
    assert FolderStore(bucket).read("drops/flights/jan.csv") in files


def put(server: Server, file: bytes, first: int, content: Iterator[bytes]) -> httpx.Response:
    headers = {
        "content-range": f"bytes {first}-{len(file) - 1}/{len(file)}",
        "content-length": str(len(file) - first),
    }
    return httpx.put(
        f"{server.url}/files/jan.csv", content=content, headers=headers, timeout=DEADLINE_SECONDS
    )


@dataclass
class Sender:
    """A client that sends records of its own, with and without keys, to whoever answers."""

    name: str
    servers: list[Server]
    random: random.Random
    acknowledged: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        number = 0
        while not stop.is_set():
            records = [f"{self.name}-{number}-{index}" for index in range(self.random.randint(1, 4))]
            number += 1
            if self.random.random() < 0.5:
                key = f"{self.name}-{number}"
                wait_for(lambda: self._is_acknowledged(records, key))  # noqa: B023 - called at once
                if self.random.random() < 0.3:
                    self._is_acknowledged(records, key)
                self.acknowledged += records
            elif self._is_acknowledged(records):
                self.acknowledged += records
            else:
                self.unanswered += records

    def _is_acknowledged(self, records: list[str], key: str | None = None) -> bool:
        server = HTTPConnection("127.0.0.1", self.random.choice(self.servers).port, timeout=5)
        headers = {"idempotency-key": key} if key else {}
        try:
            body = json.dumps([{"id": record} for record in records])
            server.request("POST", "/v1/pipelines/flights/records", body, headers)
            return server.getresponse().status == 202
        except (OSError, HTTPException):
            return False
        finally:
            server.close()


@pytest.mark.parametrize("seed", range(3))
def test_every_acknowledged_record_is_in_exactly_one_drop(
    bucket: Path, servers: list[Server], seed: int
) -> None:
    chance = random.Random(seed)
    senders = [Sender(str(number), servers, random.Random(f"{seed}-{number}")) for number in range(CLIENTS)]
    stop = threading.Event()
    clients = [threading.Thread(target=sender.run, args=[stop]) for sender in senders]
    for client in clients:
        client.start()
    for _ in range(KILLS):
        for server in servers:
            server.wait_ready()
        time.sleep(chance.uniform(0, 0.3))
        killed = chance.choice(servers)
        killed.kill()
        killed.start()
    stop.set()
    for client in clients:
        client.join(timeout=DEADLINE_SECONDS)
    store = FolderStore(bucket)
    wait_for(lambda: store.list("records/") == [])

    drops = store.list("drops/flights/records-")
    landed = Counter(json.loads(line)["id"] for name in drops for line in store.read(name).splitlines())
    acknowledged = {record for sender in senders for record in sender.acknowledged}
    unanswered = {record for sender in senders for record in sender.unanswered}
    print(f"{len(acknowledged)} acknowledged, {len(unanswered)} not, {len(drops)} drops")
    assert acknowledged
    assert set(landed.values()) == {1}
    assert acknowledged <= landed.keys() <= acknowledged | unanswered
