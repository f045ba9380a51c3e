"""What the account of Cloud Build may do in a cluster that has never seen Tidemill."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from cluster_objects import Cluster, a_namespace, with_rights
from kube_apiserver import kube_apiserver

Manifest = dict[str, Any]

K8S = Path(__file__).parents[3] / "k8s"
KNOWN_SECONDS = 10


@pytest.fixture
def definition() -> Manifest:
    [file] = (K8S / "crds").iterdir()
    return dict(yaml.safe_load(file.read_text()))


def test_who_deploys_may_apply_the_pipelines_definition_and_no_other(
    tmp_path: Path, definition: Manifest
) -> None:
    rights = list(yaml.safe_load_all((K8S / "google-cloud/deployer.yaml").read_text()))
    [who] = {subject["name"] for each in rights for subject in each.get("subjects", [])}
    other = {**definition, "metadata": {"name": "others.tidemill.dev"}}

    with kube_apiserver(tmp_path) as server, with_rights(server) as admin, with_rights(server) as builder:
        assert admin.apply(a_namespace("tidemill"), "").is_success
        assert all(admin.apply(each, "tidemill").is_success for each in rights)
        builder.http.headers["Impersonate-User"] = who

        wait_until_rights_are_known(builder)

        created = builder.apply(definition, "")
        assert created.status_code == httpx.codes.CREATED, created.text
        assert builder.apply(definition, "").status_code == httpx.codes.OK
        assert builder.apply(other, "").status_code == httpx.codes.FORBIDDEN


def wait_until_rights_are_known(builder: Cluster) -> None:
    """Wait for those that everyone has and for its own; at first, everything is forbidden."""
    deadline = time.monotonic() + KNOWN_SECONDS
    group = "/apis/apiextensions.k8s.io/v1"
    for path in (group, f"{group}/customresourcedefinitions/pipelines.tidemill.dev"):
        while (answer := builder.http.get(path)).status_code == httpx.codes.FORBIDDEN:
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.2)
