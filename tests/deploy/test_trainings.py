"""Trainings as Jobs: the chart's template, the launcher that copies it, and the rights that it needs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from kube_apiserver import KubeApiServer, kube_apiserver
from kubernetes.client import ApiClient, BatchV1Api
from kubernetes.client.exceptions import ApiException
from kubernetes.utils import create_from_dict
from launcher_machines import JOB, an_end

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_trainer.kubernetes_job import PEER_PORT, job_manifest, job_name
from tidemill_trainer.kubernetes_launcher import KubernetesLauncher
from tidemill_trainer.launcher import State
from tidemill_trainer.settings import Settings

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

NAMESPACE = "tidemill"
SPEC = TrainingSpec.model_validate(
    {
        "workers": 2,
        "resources": {"cpu": "4", "memory": "8Gi", "gpus": 1, "gpuType": "nvidia-l4", "spot": True},
    }
)


@pytest.fixture(scope="module")
def with_jobs(render: Render) -> list[Manifest]:
    return render({"training": {"launcher": "kubernetes"}})


@pytest.fixture(scope="module")
def template(with_jobs: list[Manifest]) -> Manifest:
    text = find(with_jobs, "ConfigMap", "tidemill-training")["data"]["job.yaml"]
    return dict(yaml.safe_load(text))


def find(objects: list[Manifest], kind: str, name: str) -> Manifest:
    [found] = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def pod_of(workload: Manifest) -> Manifest:
    pod: Manifest = workload["spec"]["template"]["spec"]
    return pod


def test_kubernetes_takes_every_job(template: Manifest) -> None:
    owned = {**template["metadata"]["ownerReferences"][0], "uid": "1"}
    for spec in (TrainingSpec(), SPEC):
        job = job_manifest(template, JOB, spec, 3600)
        job["metadata"]["ownerReferences"] = [owned]
        for version in ("1.30", kubernetes_validate.latest_version()):
            kubernetes_validate.validate(job, version, strict=True)


def test_jobs_with_gpus_have_an_image_of_their_own(render: Render) -> None:
    images = {}
    for chosen in ("", "mine:1"):
        objects = render({"training": {"launcher": "kubernetes", "gpuImage": chosen}, "image": {"tag": "7"}})
        template = yaml.safe_load(find(objects, "ConfigMap", "tidemill-training")["data"]["job.yaml"])
        images[chosen] = [
            pod_of(job_manifest(template, JOB, spec, 3600))["containers"][0]["image"]
            for spec in (TrainingSpec(), SPEC)
        ]

    assert images == {
        "": ["tidemill-trainer:7", "tidemill-trainer-gpu:7"],
        "mine:1": ["tidemill-trainer:7", "mine:1"],
    }


def test_a_job_starts_with_the_settings_of_the_trainer(
    template: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in pod_of(template)["containers"][0]["env"]:
        monkeypatch.setenv(variable["name"], variable["value"])

    settings = Settings()

    assert settings.bucket_url == "gs://example-bucket"
    assert settings.launcher == "process"


def test_the_trainer_finds_the_template_where_it_is_mounted(with_jobs: list[Manifest]) -> None:
    pod = pod_of(find(with_jobs, "Deployment", "tidemill-trainer"))
    [container] = pod["containers"]
    env = {each["name"]: each.get("value") for each in container["env"]}
    mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}

    assert (env["TIDEMILL_LAUNCHER"], env["TIDEMILL_JOB_TEMPLATE"]) == (
        "kubernetes",
        f"{mounts['training']}/job.yaml",
    )
    assert {"name": "training", "configMap": {"name": "tidemill-training"}} in pod["volumes"]
    assert pod["automountServiceAccountToken"]


@pytest.mark.parametrize("launcher", ["process", "kubernetes"])
def test_a_model_server_of_its_own_is_beside_what_trains(
    render: Render, template: Manifest, launcher: str
) -> None:
    trainer = find(render({"training": {"launcher": launcher}}), "Deployment", "tidemill-trainer")
    if launcher == "kubernetes":
        assert "initContainers" not in pod_of(trainer)
    pod = pod_of(template if launcher == "kubernetes" else trainer)
    [server] = pod["initContainers"]
    env = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    folders = [
        {mount["mountPath"] for mount in each["volumeMounts"] if mount["name"] == "scratch"}
        for each in (server, pod["containers"][0])
    ]

    assert server["restartPolicy"] == "Always"
    assert env["TIDEMILL_CHECK_SERVER_ADDRESS"] == f"localhost:{server['startupProbe']['grpc']['port']}"
    assert f"--port={server['startupProbe']['grpc']['port']}" in server["args"]
    assert folders[0] == folders[1]
    assert env["TIDEMILL_CHECK_SERVER_FOLDER"].startswith(f"{folders[0].pop()}/")


def test_a_job_has_no_right_to_make_jobs(with_jobs: list[Manifest], template: Manifest) -> None:
    account = pod_of(template)["serviceAccountName"]
    bound = {subject["name"] for subject in find(with_jobs, "RoleBinding", "tidemill-trainer")["subjects"]}

    assert find(with_jobs, "ServiceAccount", account)
    assert account not in bound
    assert not pod_of(template)["automountServiceAccountToken"]


def test_workers_find_each_other_and_may_talk(with_jobs: list[Manifest], template: Manifest) -> None:
    service = find(with_jobs, "Service", pod_of(template)["subdomain"])
    policy = find(with_jobs, "NetworkPolicy", "tidemill-training")["spec"]
    labels = template["spec"]["template"]["metadata"]["labels"]
    to_peers = {"podSelector": {"matchLabels": service["spec"]["selector"]}}

    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["selector"].items() <= labels.items()
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert [rule["from"] for rule in policy["ingress"]] == [[to_peers]]
    assert any(
        rule["to"] == [to_peers] and rule["ports"][0]["port"] == PEER_PORT for rule in policy["egress"]
    )


@pytest.fixture(scope="module")
def cluster(with_jobs: list[Manifest], tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApiServer]:
    """An API server in which the release was installed."""
    with kube_apiserver(tmp_path_factory.mktemp("kubernetes")) as server:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        for each in (namespace, *with_jobs):
            create_from_dict(server.client(), each, namespace=NAMESPACE)  # type: ignore[no-untyped-call]
        yield server


@pytest.fixture
def launcher(cluster: KubeApiServer, template: Manifest, tmp_path: Path) -> KubernetesLauncher:
    """The trainer's launcher, with no rights but the trainer's."""
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(template))
    return KubernetesLauncher(cluster.client_of(NAMESPACE, "tidemill-trainer"), path, 3600)


def test_the_trainers_rights_are_all_it_takes_to_run_a_job(
    cluster: KubeApiServer, launcher: KubernetesLauncher
) -> None:
    batch = BatchV1Api(cluster.client())
    assert launcher.poll(JOB).state is State.ABSENT
    launcher.launch(JOB, SPEC)
    launcher.launch(JOB, SPEC)
    assert launcher.poll(JOB).state is State.RUNNING

    made = batch.read_namespaced_job(job_name(JOB), NAMESPACE).to_dict()
    batch.patch_namespaced_job_status(job_name(JOB), NAMESPACE, {"status": an_end(well=False)})

    assert made["metadata"]["owner_references"][0]["uid"]
    assert launcher.poll(JOB).state is State.FAILED
    assert "not to be seen" not in launcher.poll(JOB).detail


def test_the_trainer_has_no_right_beyond_that(cluster: KubeApiServer) -> None:
    client: ApiClient = cluster.client_of(NAMESPACE, "tidemill-trainer")

    with pytest.raises(ApiException, match="403"):
        BatchV1Api(client).list_namespaced_job("default")
    with pytest.raises(ApiException, match="403"):
        BatchV1Api(client).delete_namespaced_job(job_name(JOB), NAMESPACE)
