"""Rules of the messages that serving hears, over the embedded broker."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from serving_world import World, blessed

from tidemill_contracts.events import PipelineDeleted
from tidemill_local.bootstrap import create_resources
from tidemill_runtime.telling import Cause, Teller, on_events, publisher_client
from tidemill_serving.app import hear_models
from tidemill_serving.handlers import Delete, Deploy, handlers


@pytest.fixture
def teller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Teller]:
    command = [sys.executable, "-m", "tidemill_local.broker", "--port", "0", "--metrics-port", "0"]
    broker = subprocess.Popen([*command, "--data", str(tmp_path / "broker.db")], stdout=subprocess.PIPE)
    assert broker.stdout is not None
    with broker:
        try:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", json.loads(broker.stdout.readline())["address"])
            create_resources("test")
            yield Teller(publisher_client(), project="test", service="test")
        finally:
            broker.kill()


def test_a_deletion_waits_for_no_model_server(world: World, teller: Teller) -> None:
    world.bless(1)
    waiting = [blessed(world.store, version, pipeline=f"other-{version}") for version in (2, 3)]
    world.server.stop()
    handle = on_events(
        handlers(Deploy(world.store, world.parts.releases), Delete(world.parts.releases)), teller
    )
    consumer = hear_models(handle, project="test", publisher=publisher_client())
    consumer.start()
    try:
        for event in waiting:
            teller.tell(event.data, Cause("blessing"))
        teller.tell(PipelineDeleted(pipeline="m", deletion_id="1"), Cause("deletion"))
        until = time.monotonic() + 60
        while world.parts.switch.get("m").stable and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        consumer.stop(5)

    assert world.parts.switch.get("m").stable is None
