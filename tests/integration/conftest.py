"""One platform for all integration tests: starting it takes longer than most of them."""

from collections.abc import Iterator

import pytest

from tidemill_world import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("home")) as world:
        yield world
