"""The contract runs against the embedded broker always, and Google's emulator where it is installed."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import pubsub_v1
from google.pubsub_v1 import PublisherClient as RawPublisher

sys.path.insert(0, str(Path(__file__).parent))

from pubsub_site import Site
from pubsub_targets import Broker, find_emulator, running_broker, running_emulator

NO_EMULATOR = "GOOGLE'S EMULATOR IS NOT INSTALLED: the contract was checked against the embedded broker only"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "differs(reason): Google's emulator is known to fail this test")


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with running_broker(tmp_path_factory.mktemp("broker") / "broker.db") as running:
        yield running


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    jar = find_emulator()
    if jar is None:
        pytest.skip(NO_EMULATOR)
    with running_emulator(jar) as address:
        yield address


@pytest.fixture(scope="module", params=["tidemill", "google"])
def shared_site(request: pytest.FixtureRequest) -> Iterator[Site]:
    if request.param == "tidemill":
        address = request.getfixturevalue("broker").address
    else:
        address = request.getfixturevalue("emulator")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PUBSUB_EMULATOR_HOST", address)
        yield connect()


@pytest.fixture
def site(request: pytest.FixtureRequest, shared_site: Site) -> Site:
    """The server under contract; what its emulator is known to do differently must keep failing."""
    difference = request.node.get_closest_marker("differs")
    if difference is not None and "google" in request.node.callspec.id:
        request.node.add_marker(pytest.mark.xfail(strict=True, reason=difference.args[0]))
    return shared_site


@pytest.fixture
def own_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """An embedded broker of the test's own, to be killed and restarted at will."""
    with running_broker(tmp_path / "broker.db") as running:
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", running.address)
        yield running


@pytest.fixture
def own_site(own_broker: Broker) -> Site:
    return connect()


def connect() -> Site:
    """Clients of the server in `PUBSUB_EMULATOR_HOST`."""
    ordered = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
    publisher = pubsub_v1.PublisherClient(publisher_options=ordered)
    return Site(publisher, pubsub_v1.SubscriberClient(), RawPublisher(transport=publisher.transport))
