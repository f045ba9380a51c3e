"""Rules of the process: what it needs to start, how it turns, and what it does not carry around."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from bucket_world import BucketWorld
from controller_world import PATIENCE_SECONDS
from pydantic import ValidationError

from tidemill_contracts import topology
from tidemill_contracts.events import EVENT_TYPES
from tidemill_controller import looking as looking_module
from tidemill_controller.handlers import Remember, handlers
from tidemill_controller.looking import Looking
from tidemill_controller.reconciling import FIRST_PAUSE_SECONDS
from tidemill_controller.settings import Settings

HEAVY = ("kubernetes", "pandas", "tensorflow", "pyarrow", "google.cloud.storage")


def test_over_a_bucket_nothing_heavy_is_imported() -> None:
    check = f"import sys, tidemill_controller.app; print([each for each in {HEAVY} if each in sys.modules])"
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, check=True, timeout=60)

    assert found.stdout == b"[]\n"


def test_custom_resources_need_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMILL_BUCKET_URL", "gs://bucket")
    assert Settings().pipelines == "bucket"

    monkeypatch.setenv("TIDEMILL_PIPELINES", "kubernetes")
    with pytest.raises(ValidationError, match="expected namespace with pipelines kubernetes"):
        Settings()


def test_every_event_that_is_heard_is_handled(tmp_path: Path) -> None:
    world = BucketWorld(tmp_path)
    table = handlers(Remember(world.store, world.standings, lambda: None))
    heard = [data for name, data in EVENT_TYPES.items() if name.rpartition(".")[0].split(".")[2] in _nouns()]

    assert len(heard) > 9
    assert set(heard) <= set(table)


def _nouns() -> set[str]:
    return set(topology.CONTROLLER.filter.replace('"', ".").split("."))


def test_a_change_is_looked_at_soon_and_trouble_ends_nothing(tmp_path: Path) -> None:
    world = BucketWorld(tmp_path)
    world.store.write("controller/broken.json", b"[]")
    looking, stop = Looking(world.controller, every_seconds=600), threading.Event()
    thread = threading.Thread(target=looking.run, args=(stop,), daemon=True)
    thread.start()
    world.declare("flights", "{label: late}")
    known = threading.Event()
    for _ in range(300):
        looking.look_soon()
        if world.standings.get("flights") is not None:
            break
        known.wait(0.1)
    looking.check_alive()
    stop.set()
    thread.join(PATIENCE_SECONDS)

    assert world.standings.get("flights") is not None
    assert not thread.is_alive()


def test_a_thread_that_stopped_turning_is_not_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking = Looking(BucketWorld(tmp_path).controller, every_seconds=1)
    monkeypatch.setattr(looking_module, "STALLED_SECONDS", -1)

    with pytest.raises(RuntimeError, match="expected a look"):
        looking.check_alive()


def test_the_pause_after_a_failure_grows_and_ends_with_success(tmp_path: Path) -> None:
    world = BucketWorld(tmp_path)
    world.declare("flights", "{label: late}")
    world.look()
    world.delete("flights")
    world.look()
    world.broker.is_away = True
    start, tries = 1000.0, []
    for second in range(40):
        world.seconds, asked = start + second, world.broker.asked
        world.controller.look()
        tries += [second] if world.broker.asked > asked else []

    assert tries == [0, 1, 3, 7, 15, 31]


def three_deleted(tmp_path: Path) -> BucketWorld:
    world = BucketWorld(tmp_path)
    for name in ("a", "b", "c"):
        world.declare(name, "{label: late}")
    world.look()
    for name in ("a", "b", "c"):
        world.delete(name)
    world.look()
    return world


def test_in_one_look_a_broker_that_is_away_is_waited_for_once(tmp_path: Path) -> None:
    world = three_deleted(tmp_path)
    world.broker.is_away = True
    world.look()
    assert world.broker.asked == 1

    world.broker.is_away = False
    world.look()
    assert [each.pipeline for each in world.broker.deletions] == ["a", "b", "c"]


def test_an_event_that_is_never_taken_holds_up_those_of_no_other_pipeline(tmp_path: Path) -> None:
    world = three_deleted(tmp_path)
    world.broker.refused = "a"
    world.look()
    world.seconds += FIRST_PAUSE_SECONDS / 2
    world.controller.look()

    assert [each.pipeline for each in world.broker.deletions] == ["b", "c"]


def test_a_look_at_many_pipelines_that_take_long_is_alive(tmp_path: Path) -> None:
    world, passed = three_deleted(tmp_path), [0.0]
    looking, stop = Looking(world.controller, every_seconds=600, clock=lambda: passed[0]), threading.Event()

    def take_long() -> None:
        passed[0] += 400
        looking.check_alive()

    world.broker.while_asked = take_long
    world.seconds += 61
    thread = threading.Thread(target=looking.run, args=(stop,), daemon=True)
    thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(world.broker.deletions) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    stop.set()
    thread.join(PATIENCE_SECONDS)

    assert len(world.broker.deletions) == 3
