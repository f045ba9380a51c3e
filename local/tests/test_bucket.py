"""The bucket watcher, on a real folder, with a publisher that keeps what it is given."""

import os
import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import md5
from pathlib import Path

import pytest

from tidemill_contracts.layout import hour_of
from tidemill_contracts.notification import ObjectFinalized, from_message
from tidemill_local.bucket.announced import Announced
from tidemill_local.bucket.hours import HourScanner
from tidemill_local.bucket.watcher import Watcher
from tidemill_runtime.folder import FolderStore

SETTLE_SECONDS = 2.0


@dataclass
class Topic:
    """Takes messages as a topic does, unless it is down; then it takes them once it is up again."""

    is_up: bool = True
    taken: list[ObjectFinalized] = field(default_factory=list)
    refused: list[Future[str]] = field(default_factory=list)
    on_publish: Callable[[ObjectFinalized], object] = lambda _: None

    def publish(self, data: bytes, attributes: Mapping[str, str]) -> Future[str]:
        receipt: Future[str] = Future()
        if self.is_up:
            self.taken.append(from_message(data, attributes))
            receipt.set_result("1")
            self.on_publish(self.taken[-1])
        else:
            self.refused.append(receipt)
        return receipt


@dataclass
class Bucket:
    """A watched bucket whose clock the test moves."""

    root: Path
    topic: Topic = field(default_factory=Topic)
    now_seconds: float = 1000.0

    def __post_init__(self) -> None:
        (self.root / "drops").mkdir(parents=True, exist_ok=True)
        self.start()

    def start(self) -> None:
        """Begin as a new process does: with nothing but what was written down."""
        self.watcher = Watcher(
            self.root,
            Announced(self.root.parent / "announced.db"),
            self.topic.publish,
            settle_seconds=SETTLE_SECONDS,
        )

    def write(self, name: str, content: bytes = b"x", *, mode: str = "wb") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode) as file:
            file.write(content)
        return path

    def rename_into(self, name: str, content: bytes = b"x") -> Path:
        """Put a file in place as everyone should: written elsewhere, closed, renamed."""
        staged = self.write(".staging/new", content)
        # The clock of a file system ticks in milliseconds; people are slower.
        written_ns = staged.stat().st_mtime_ns - 50_000_000
        os.utime(staged, ns=(written_ns, written_ns))
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return staged.replace(path)

    def turn(self, after_seconds: float = 0.2) -> None:
        self.now_seconds += after_seconds
        self.watcher.turn(self.now_seconds)

    def settle(self) -> list[str]:
        """Let every file settle; return the names announced so far."""
        for _ in range(4):
            self.turn(SETTLE_SECONDS)
        return self.names

    @property
    def names(self) -> list[str]:
        return [new.name for new in self.topic.taken]


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket(tmp_path / "tidemill")


def test_a_new_file_is_announced_as_cloud_storage_would(bucket: Bucket) -> None:
    path = bucket.write("drops/flights/january.csv", b"a,b\n1,2\n")
    bucket.settle()

    stored = FolderStore(bucket.root).stat("drops/flights/january.csv")
    (new,) = bucket.topic.taken
    assert (new.bucket, new.name) == ("tidemill", "drops/flights/january.csv")
    assert (new.generation, new.crc32c, new.size_bytes) == (stored.generation, stored.crc32c, 8)
    assert new.md5 == b64encode(md5(path.read_bytes(), usedforsecurity=False).digest()).decode()
    assert new.content_type == "text/csv"
    assert new.overwrote_generation is None


def test_a_file_is_announced_once(bucket: Bucket) -> None:
    bucket.write("drops/p/a.csv")
    bucket.settle()

    assert bucket.settle() == ["drops/p/a.csv"]


def test_a_file_that_still_grows_is_not_announced(bucket: Bucket) -> None:
    for _ in range(10):
        bucket.write("drops/p/slow.csv", b"another line\n", mode="ab")
        bucket.turn(SETTLE_SECONDS * 0.9)

    assert bucket.names == []
    assert bucket.settle() == ["drops/p/slow.csv"]
    assert bucket.topic.taken[0].size_bytes == 130


def test_a_file_renamed_into_place_is_announced_without_settling(bucket: Bucket) -> None:
    bucket.rename_into("drops/p/a.csv")
    bucket.turn(0.2)
    bucket.turn(0.2)

    assert bucket.names == ["drops/p/a.csv"]


def test_a_file_changed_between_scan_and_reading_settles_anew(bucket: Bucket) -> None:
    """Announcing either file changes the other, which the scan has found complete just before."""
    paths = [bucket.write(f"drops/p/{name}.csv", b"half") for name in "ab"]
    bucket.topic.on_publish = lambda new: [
        path.write_bytes(b"half and half") for path in paths if path.name != Path(new.name).name
    ]
    bucket.turn()
    bucket.turn(SETTLE_SECONDS)
    assert len(bucket.names) == 1

    bucket.topic.on_publish = lambda _: None
    bucket.settle()

    assert sorted(new.size_bytes for new in bucket.topic.taken) == [4, 13]


def test_an_overwrite_is_a_new_generation_that_names_the_old_one(bucket: Bucket) -> None:
    bucket.write("drops/p/a.csv", b"old")
    bucket.settle()
    bucket.write("drops/p/a.csv", b"new")
    bucket.settle()

    old, new = bucket.topic.taken
    assert new.generation > old.generation
    assert new.overwrote_generation == old.generation


def test_a_deleted_file_that_returns_replaces_nothing(bucket: Bucket) -> None:
    path = bucket.write("drops/p/a.csv")
    bucket.settle()
    path.unlink()
    bucket.turn()
    bucket.write("drops/p/a.csv")
    bucket.settle()

    assert [new.overwrote_generation for new in bucket.topic.taken] == [None, None]


def test_a_restart_announces_only_what_is_new(bucket: Bucket) -> None:
    bucket.write("drops/p/before.csv")
    bucket.settle()
    bucket.turn()

    bucket.write("drops/p/while-down.csv")
    bucket.start()

    assert bucket.settle() == ["drops/p/before.csv", "drops/p/while-down.csv"]


def test_what_was_not_published_is_announced_after_a_restart(bucket: Bucket) -> None:
    bucket.topic.is_up = False
    bucket.write("drops/p/a.csv")
    bucket.settle()
    assert len(bucket.topic.refused) == 1

    bucket.topic.is_up = True
    bucket.start()

    assert bucket.settle() == ["drops/p/a.csv"]


def test_what_the_topic_refused_is_published_again(bucket: Bucket) -> None:
    bucket.topic.is_up = False
    bucket.write("drops/p/a.csv")
    bucket.settle()

    bucket.topic.is_up = True
    bucket.topic.refused[0].set_exception(TimeoutError("no answer"))

    assert bucket.settle() == ["drops/p/a.csv"]


@pytest.mark.parametrize(
    "file", ["Größe 2013 (1).csv", "a#b?c%20d.csv", "飞行.csv", "deep/er/file.csv", "empty.csv"]
)
def test_any_name_is_announced_as_it_is(bucket: Bucket, file: str) -> None:
    bucket.write(f"drops/p/{file}", b"" if file.startswith("empty") else b"x")

    assert bucket.settle() == [f"drops/p/{file}"]


@pytest.mark.parametrize(
    "name", ["drops/.hidden/a.csv", "drops/p/.a.csv.part", ".staging/a.csv", "spans/p/a.csv"]
)
def test_hidden_names_and_other_folders_are_nobodys_drops(bucket: Bucket, name: str) -> None:
    bucket.write(name)

    assert bucket.settle() == []


def test_symbolic_links_are_not_followed(bucket: Bucket, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("x")
    (bucket.root / "drops" / "p").symlink_to(outside)
    (bucket.root / "drops" / "link.csv").symlink_to(outside / "secret.csv")

    assert bucket.settle() == []


def test_a_name_that_is_not_utf8_is_left_alone_and_the_others_are_announced(bucket: Bucket) -> None:
    (bucket.root / "drops" / os.fsdecode(b"\xff.csv")).write_text("x")
    bucket.write("drops/p/good.csv")

    assert bucket.settle() == ["drops/p/good.csv"]


def test_many_files_are_all_announced(bucket: Bucket) -> None:
    for number in range(600):
        bucket.write(f"drops/p/{number}.csv")

    assert len(set(bucket.settle())) == 600


HOUR = 3600.0
NOW = 1_767_322_800 + 600.0  # 2026-01-02, 03:10


def hour(hours_ago: int) -> str:
    return hour_of(round((NOW - hours_ago * HOUR) * 1000))


def test_what_gateways_write_is_announced_as_drops_are(bucket: Bucket) -> None:
    now = hour_of(time.time_ns() // 1_000_000)
    bucket.rename_into(f"predictions/m/{now}/a.jsonl.gz")
    bucket.rename_into(f"feedback/m/{now}/a.jsonl")
    bucket.turn()
    bucket.turn()

    assert sorted(bucket.names) == [f"feedback/m/{now}/a.jsonl", f"predictions/m/{now}/a.jsonl.gz"]
    assert len(bucket.settle()) == 2


def test_folders_of_past_hours_are_looked_at_now_and_then(tmp_path: Path) -> None:
    for age in (0, 1, 5, 24 * 8):
        path = tmp_path / f"predictions/m/{hour(age)}/f"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"x")
    times = [NOW, NOW + 1, NOW + 601]
    scanner = HourScanner(tmp_path, "predictions/", lambda: times.pop(0), every=600)

    scans = [{name.split("/")[2] for name in scanner.scan()} for _ in range(3)]

    assert scans == [{hour(0), hour(1), hour(5)}, {hour(0), hour(1)}, {hour(0), hour(1), hour(5)}]


def test_only_a_scan_that_looked_says_what_is_gone(tmp_path: Path) -> None:
    times = [NOW, NOW + 1]
    scanner = HourScanner(tmp_path, "predictions/", lambda: times.pop(0), every=600)

    scanner.scan()
    assert scanner.covers(f"predictions/m/{hour(24 * 8)}/f")
    scanner.scan()
    assert not scanner.covers(f"predictions/m/{hour(5)}/f")
    assert scanner.covers(f"predictions/m/{hour(0)}/f")
    assert not scanner.covers("drops/m/f")
