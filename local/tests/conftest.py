"""Homes: one in which a platform runs, and one that was filled and left."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import Services, running_platform
from prepared_home import prepare

from tidemill_local.supervisor.home import Home
from tidemill_local.supervisor.platform import Platform


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data as a platform leaves it."""
    home = Home(tmp_path_factory.mktemp("prepared"))
    prepare(home)
    return home.path


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A broker, a bucket and a gateway, without services."""
    with running_platform(tmp_path_factory.mktemp("home")) as platform:
        yield platform


@pytest.fixture
def services(platform: Platform) -> Services:
    return Services(platform.addresses["broker"])
