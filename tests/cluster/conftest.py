"""One release with one trained model, in a cluster that `--kubeconfig` leads to; skipped without."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kube_cluster import Cluster, Manifest
from kube_release import FLIGHTS, Images, Release

MODEL = "flights"
TRAINING_SECONDS = 600


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--kubeconfig", help="of a cluster that may be changed: namespaces come and go there")
    parser.addoption("--keep-release", action="store_true", help="take what is installed, and leave it there")
    parser.addoption("--skaffold", action="store_true", help="run skaffold dev, which builds every image")
    parser.addoption("--image-registry", default="", help="put before every image's name, slash included")
    parser.addoption("--image-tag", default="dev", help="of every image")


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Cluster:
    kubeconfig = request.config.getoption("--kubeconfig")
    if kubeconfig is None:
        pytest.skip("no cluster: `make cluster CLUSTER=KUBECONFIG` names one; see tests/cluster/README.md")
    return Cluster(Path(kubeconfig))


@pytest.fixture(scope="session")
def images(request: pytest.FixtureRequest) -> Images:
    return Images(request.config.getoption("--image-registry"), request.config.getoption("--image-tag"))


@pytest.fixture(scope="session")
def release(request: pytest.FixtureRequest, cluster: Cluster, images: Images) -> Iterator[Release]:
    """A release whose pods are all ready."""
    release = Release(cluster, "tidemill", "tidemill-first", images)
    keeps = request.config.getoption("--keep-release")
    if not (keeps and release.is_installed):
        release.install()
    yield release
    if not keeps:
        release.remove()


@pytest.fixture(scope="session")
def trained(release: Release) -> Manifest:
    """The pipeline, once January's flights made it a model that answers."""
    release.kubectl("apply", "-f", str(FLIGHTS / "pipeline.yaml"))
    release.await_condition(MODEL, "Accepted", 60)
    release.drop(MODEL, FLIGHTS / "flights-2013-01.csv")
    return release.await_condition(MODEL, "Ready", TRAINING_SECONDS)


@pytest.fixture(scope="session")
def flight(release: Release, trained: Manifest) -> Manifest:
    return release.flight(MODEL)
