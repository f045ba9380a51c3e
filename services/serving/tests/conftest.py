"""A model server in memory, and a serving process on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from model_server_fake import FakeModelServer
from serving_world import World


@pytest.fixture
def server() -> Iterator[FakeModelServer]:
    server = FakeModelServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def world(tmp_path: Path, server: FakeModelServer) -> Iterator[World]:
    world = World(tmp_path / "bucket", server)
    yield world
    world.client.close()
