"""A broker with Tidemill's topics, and transform with one pipeline that has data."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from orchestration_site import PROJECT, Site
from pubsub_targets import running_broker
from transform_world import World, a_span, a_spec

from tidemill_contracts import layout
from tidemill_local.bootstrap import create_resources


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("orchestration")
    world = World(folder)
    world.store.write(layout.pipeline_spec("flights"), a_spec().to_json().encode())
    world.tell(a_span(world.store))
    with running_broker(folder / "broker.db") as running, pytest.MonkeyPatch.context() as environment:
        environment.setenv("PUBSUB_EMULATOR_HOST", running.address)
        create_resources(PROJECT)
        with PublisherClient() as publisher, SubscriberClient() as subscriber:
            yield Site(running.address, publisher, subscriber, world)


@pytest.fixture
def shell(broker: Site, tmp_path: Path) -> Callable[..., list[str]]:
    """Say how a script is run where `gcloud` speaks to the broker."""
    stand_in = Path(__file__).parent / "gcloud_stand_in.py"
    command = tmp_path / "gcloud"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {stand_in} "$@"\n')
    command.chmod(0o755)
    settings = {"PUBSUB_EMULATOR_HOST": broker.address, "PATH": f"{tmp_path}:/usr/bin:/bin"}

    def run(script: str, *arguments: str, **environment: str) -> list[str]:
        given = {**settings, "PROJECT_ID": PROJECT, **environment}
        pairs = [f"{name}={value}" for name, value in given.items()]
        return ["env", "-i", *pairs, "sh", "-euc", script, *arguments]

    return run
