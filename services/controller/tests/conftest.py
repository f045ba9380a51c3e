"""An API server that knows pipelines, and a controller over each place where pipelines are declared."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket_world import BucketWorld
from controller_world import World
from kube_apiserver import KubeApiServer, kube_apiserver
from kubernetes_world import KubernetesWorld, install, watching


@pytest.fixture(scope="session")
def kubernetes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    with kube_apiserver(tmp_path_factory.mktemp("kubernetes")) as server:
        install(server)
        yield server


@pytest.fixture
def cluster(tmp_path: Path, kubernetes: KubeApiServer) -> Iterator[KubernetesWorld]:
    with watching(KubernetesWorld(tmp_path / "bucket", kubernetes)) as world:
        yield world


@pytest.fixture(params=["bucket", "kubernetes"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A controller over each of the places in turn."""
    if request.param == "bucket":
        return BucketWorld(tmp_path / "bucket")
    cluster: KubernetesWorld = request.getfixturevalue("cluster")
    return cluster
