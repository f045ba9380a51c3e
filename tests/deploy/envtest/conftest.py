"""A real API server with Tidemill's custom resource; the tests are skipped where there is none to run."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import yaml
from cluster_objects import Cluster, a_namespace, with_rights
from kube_apiserver import ADMIN, kube_apiserver

Manifest = dict[str, Any]
Kubectl = Callable[..., str]

CRD = Path(__file__).parents[3] / "k8s" / "crds" / "pipelines.tidemill.dev.yaml"
NAMESPACE = "tidemill"
ESTABLISHED_SECONDS = 20


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster with every right and nothing in it."""
    with kube_apiserver(tmp_path_factory.mktemp("kubernetes")) as server, with_rights(server) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def cluster(bare_cluster: Cluster) -> Cluster:
    """A cluster that knows pipelines."""
    definition = yaml.safe_load(CRD.read_text())
    applied = bare_cluster.apply(definition, "")
    assert applied.is_success, applied.text
    assert bare_cluster.apply(a_namespace(NAMESPACE), "").is_success
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    group, version = definition["spec"]["group"], definition["spec"]["versions"][0]["name"]
    while not bare_cluster.http.get(f"/apis/{group}/{version}/namespaces/{NAMESPACE}/pipelines").is_success:
        assert time.monotonic() < deadline, bare_cluster.http.get(bare_cluster.folder(definition, "")).text
        time.sleep(0.1)
    return bare_cluster


@pytest.fixture
def kubectl(cluster: Cluster, tmp_path: Path) -> Kubectl:
    """The command, where it is installed: its output, or the text of its failure."""
    program = which("kubectl")
    if program is None:
        pytest.skip("expected kubectl on the PATH")
    server = cluster.server
    rights = (
        *("--server", f"https://127.0.0.1:{server.port}", "--token", ADMIN, "--namespace", NAMESPACE),
        *("--certificate-authority", str(server.certificate), "--request-timeout", "20s"),
    )
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "KUBECONFIG": str(tmp_path / "none")}

    def run(*arguments: str, stdin: str = "") -> str:
        done = subprocess.run(
            [program, *rights, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environment,
        )
        return done.stdout + done.stderr

    return run
