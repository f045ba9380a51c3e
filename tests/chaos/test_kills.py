"""Any process may be killed at any moment of the flow: it finishes, and every drop has exactly one effect.

Every seed is one drop and one `kill -9` of a random process after a random time. `--kills N` says how many.
"""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    DatasetIngested,
    DatasetTransformed,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
)
from tidemill_runtime.sequence import Sequence
from tidemill_world import World, flights, running_world

PROCESSES = [
    "broker",
    "ingest",
    "transform",
    "trainer",
    "serving",
    "gateway",
    "model-server",
    "bucket",
    "controller",
]
LATEST_KILL_SECONDS = 12.0
ROWS = 1500


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("chaos")) as world:
        yield world


def test_a_kill_at_any_moment_loses_nothing_and_doubles_nothing(world: World, seed: int) -> None:
    chance = random.Random(seed)
    victim, after_seconds = chance.choice(PROCESSES), chance.uniform(0, LATEST_KILL_SECONDS)
    pipeline = f"kill-{seed}"
    world.apply(pipeline)
    began = time.monotonic()

    world.drop(pipeline, flights(seed * 100, ROWS))
    time.sleep(after_seconds)
    world.platform.kill(victim)
    end = world.await_event(
        lambda data: isinstance(data, ModelDeployed | ModelRejected) and data.pipeline == pipeline
    )
    if isinstance(end.data, ModelDeployed):
        world.wait_for(lambda: world.ask("GET", f"/v1/models/{pipeline}").status == 200 or None)

    print(f"seed {seed}: {victim} after {after_seconds:.1f} s, done in {time.monotonic() - began:.1f} s")
    # A model of so few rows may be no better than a constant: it is then rejected, and that is the effect.
    verdict = [ModelBlessed, ModelDeployed] if isinstance(end.data, ModelDeployed) else [ModelRejected]
    assert_one_effect(world, pipeline, [DatasetIngested, DatasetTransformed, *verdict])


def assert_one_effect(world: World, pipeline: str, kinds: list[type[EventData]]) -> None:
    """One span, one dataset version, one model version, in the bucket and in what was told."""
    assert len(Sequence(world.store, "spans", pipeline).numbers()) == 1
    assert [Path(name).name for name in world.store.list(f"datasets/{pipeline}/")].count("manifest.json") == 1
    assert len(Sequence(world.store, "models", pipeline).numbers()) == 1
    assert len(world.store.list(f"manifests/{pipeline}/")) == 1
    for kind in kinds:
        assert len(told(world, pipeline, kind)) == 1, kind.__name__


def told(world: World, pipeline: str, kind: type[EventData]) -> set[str]:
    """The distinct facts of one kind; the same fact told twice has the same id."""
    return {
        event.id
        for event in world.events
        if isinstance(event.data, kind) and getattr(event.data, "pipeline", None) == pipeline
    }
