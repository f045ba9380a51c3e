"""Two releases in one cluster have nothing to do with each other."""

from collections.abc import Iterator

import pytest
from kube_cluster import Cluster, Manifest
from kube_release import FLIGHTS, Images, Release

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def neighbour(cluster: Cluster, images: Images, trained: Manifest) -> Iterator[Release]:
    neighbour = Release(cluster, "tidemill", "tidemill-second", images)
    neighbour.install()
    yield neighbour
    neighbour.remove()


def test_a_second_release_keeps_to_its_namespace(
    release: Release, neighbour: Release, flight: Manifest
) -> None:
    neighbour.kubectl("apply", "-f", str(FLIGHTS / "pipeline.yaml"))
    accepted = neighbour.await_condition("flights", "Accepted", 60)

    assert "champion" not in accepted["status"]
    assert release.pipeline("flights")["status"]["champion"] == 1
    assert release.ask("/v1/models/flights:predict", {"instances": [flight]})["predictions"]


def test_the_first_stays_when_the_second_goes(release: Release, neighbour: Release, flight: Manifest) -> None:
    neighbour.remove()

    assert release.ask("/v1/models/flights:predict", {"instances": [flight]})["predictions"]
