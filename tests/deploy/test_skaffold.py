"""skaffold.yaml, the chart, the development cluster's manifests and the tree agree on names and paths."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from dockerfiles import stages

from tidemill_contracts.pipeline import parse_pipeline
from tidemill_local.bucket.settings import BucketSettings
from tidemill_runtime.settings import ServiceSettings

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

ROOT = Path(__file__).parents[2]
SERVICES = {"ingest", "transform", "trainer", "serving", "gateway", "controller"}
# Which profile builds what the others have no use for, and which value of the chart it is for.
ADDED = {
    "dev": {},
    "gke": {
        "tidemill-worker": ("services/transform/dataflow.Dockerfile", "dataflow.workerImage"),
        "tidemill-trainer-gpu": ("services/trainer/Dockerfile", "training.gpuImage"),
    },
}


@pytest.fixture(scope="module")
def configs() -> dict[str, Manifest]:
    found = yaml.safe_load_all((ROOT / "skaffold.yaml").read_text())
    return {each["metadata"]["name"]: each for each in found}


@pytest.fixture(scope="module")
def skaffold(configs: dict[str, Manifest]) -> Manifest:
    return configs["tidemill"]


@pytest.fixture(scope="module")
def first(configs: dict[str, Manifest]) -> Manifest:
    """What is deployed before the release of a development cluster: the one profile of its own config."""
    [profile] = configs["in-google-clouds-place"]["profiles"]
    return dict(profile)


@pytest.fixture(scope="module")
def dev() -> list[Manifest]:
    return list(yaml.safe_load_all((ROOT / "k8s/dev/google-cloud.yaml").read_text()))


def releases(skaffold: Manifest) -> dict[str, Manifest]:
    """The one release of each profile."""
    found = {}
    for profile in skaffold["profiles"]:
        [found[profile["name"]]] = profile["deploy"]["helm"]["releases"]
    return found


@pytest.mark.parametrize("profile", ADDED)
def test_artifacts_are_the_images_of_the_tree(skaffold: Manifest, profile: str) -> None:
    [patches] = [each.get("patches", []) for each in skaffold["profiles"] if each["name"] == profile]
    assert {(each["op"], each["path"]) for each in patches} <= {("add", "/build/artifacts/-")}
    built = [*skaffold["build"]["artifacts"], *(each["value"] for each in patches)]
    artifacts = {each["image"]: each["docker"]["dockerfile"] for each in built}

    expected = {f"tidemill-{name}": f"services/{name}/Dockerfile" for name in SERVICES}
    assert artifacts == expected | {image: file for image, (file, _) in ADDED[profile].items()}
    assert all((ROOT / dockerfile).is_file() for dockerfile in artifacts.values())
    assert {path.name for path in (ROOT / "services").iterdir() if path.is_dir()} == SERVICES


@pytest.mark.parametrize("profile", ADDED)
def test_images_of_one_profile_are_values_of_its_release(skaffold: Manifest, profile: str) -> None:
    given = releases(skaffold)[profile]["setValueTemplates"]
    for image, (_, value) in ADDED[profile].items():
        assert given[value] == f"{{{{.IMAGE_FULLY_QUALIFIED_{image.replace('-', '_')}}}}}"


def test_services_wait_for_what_stands_in_for_google_cloud(
    configs: dict[str, Manifest], skaffold: Manifest, first: Manifest
) -> None:
    required, profiles = configs["in-google-clouds-place"], skaffold["profiles"]

    assert skaffold["requires"] == [{"configs": [required["metadata"]["name"]]}]
    assert required.keys() == {"apiVersion", "kind", "metadata", "profiles"}
    assert first["name"] == "dev"
    assert first["manifests"] == {"rawYaml": ["k8s/dev/google-cloud.yaml"]}
    [artifact] = first["build"]["artifacts"]
    assert artifact["image"] == "tidemill-local"
    assert artifact["docker"]["dockerfile"] == "local/Dockerfile"
    assert not [each for each in profiles if "manifests" in each], "they would be applied after the release"
    image = releases(skaffold)["dev"]["setValueTemplates"]["modelServer.image"]
    assert image == "{{.IMAGE_FULLY_QUALIFIED_tidemill_local}}"


def test_what_stands_in_for_google_cloud_stays_when_a_service_changes(first: Manifest) -> None:
    [artifact] = first["build"]["artifacts"]
    docker = artifact["docker"]
    steps = [*stages(docker["dockerfile"])[docker["target"]], *stages(docker["dockerfile"])["code"]]
    copies = [value for name, value in steps if name == "COPY"]

    assert copies
    assert not [each for each in copies if "services" in each]


def test_pipelines_do_not_keep_a_development_cluster_from_ending(
    first: Manifest, dev: list[Manifest]
) -> None:
    [hook] = first["deploy"]["kubectl"]["hooks"]["before"]
    [file] = [each.partition("=")[2] for each in hook["host"]["command"] if "--filename" in each]
    namespace = yaml.safe_load((ROOT / file).read_text())

    assert "Namespace" not in {each["kind"] for each in dev}
    assert namespace["kind"] == "Namespace"
    assert {each["metadata"]["namespace"] for each in dev} == {namespace["metadata"]["name"]}


def test_arguments_of_builds_are_arguments_of_dockerfiles(skaffold: Manifest) -> None:
    [patches] = [each["patches"] for each in skaffold["profiles"] if each["name"] == "gke"]
    given = {each["value"]["image"]: each["value"]["docker"] for each in patches}

    assert given["tidemill-trainer-gpu"]["buildArgs"] == {"ACCELERATOR": "gpu"}
    for docker in given.values():
        text = (ROOT / docker["dockerfile"]).read_text()
        assert all(f"ARG {name}" in text for name in docker.get("buildArgs", {}))


def test_profiles_are_dev_and_gke(skaffold: Manifest) -> None:
    assert releases(skaffold).keys() == {"dev", "gke"}


@pytest.mark.parametrize("profile", ["dev", "gke"])
def test_a_release_gives_every_service_the_image_that_was_built(
    skaffold: Manifest, render: Render, profile: str
) -> None:
    release = releases(skaffold)[profile]
    given = {key: value for key, value in release["setValueTemplates"].items() if key.startswith("services.")}
    assert given == {
        f"services.{name}.image": f"{{{{.IMAGE_FULLY_QUALIFIED_tidemill_{name}}}}}" for name in SERVICES
    }

    values = values_of(release)
    objects = render(values, release=release["name"])

    images = {
        each["metadata"]["labels"]["app.kubernetes.io/component"]: pod["containers"][0]["image"]
        for each in objects
        if each["kind"] == "Deployment"
        for pod in [each["spec"]["template"]["spec"]]
    }
    assert {name: images[name] for name in SERVICES} == {
        name: f"{{{{.IMAGE_FULLY_QUALIFIED_tidemill_{name}}}}}" for name in SERVICES
    }


def values_of(release: Manifest, environment: str = "staging") -> Manifest:
    """What a release gives the chart; templates stay as they are but for the environment's."""
    values: Manifest = {}
    for path in release.get("valuesFiles", []):
        file = path.replace("{{.ENVIRONMENT}}", environment)
        values |= yaml.safe_load((ROOT / file).read_text())
    for path, template in release["setValueTemplates"].items():
        text = template.replace("{{.PROJECT_ID}}", "example-project").replace("{{.BUCKET}}", "bucket")
        *parents, key = path.split(".")
        parent = values
        for each in parents:
            parent = parent.setdefault(each, {})
        parent[key] = text
    return values


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_chart_takes_what_is_an_environment_s_own(
    skaffold: Manifest, render: Render, environment: str
) -> None:
    values = values_of(releases(skaffold)["gke"], environment)
    routes = [each for each in render(values) if each["kind"] == "HTTPRoute"]

    assert routes[0]["spec"]["hostnames"] == values["ingress"]["hosts"]
    assert {path.stem for path in (ROOT / "k8s/gke").iterdir()} == {"staging", "production"}


def test_paths_of_every_profile_are_there(skaffold: Manifest) -> None:
    for profile in skaffold["profiles"]:
        release = releases(skaffold)[profile["name"]]
        files = [each.replace("{{.ENVIRONMENT}}", "production") for each in release["valuesFiles"]]
        assert all((ROOT / path).exists() for path in [release["chartPath"], *files])


def test_what_is_forwarded_is_a_port_of_its_service(skaffold: Manifest, render: Render) -> None:
    [dev] = [each for each in skaffold["profiles"] if each["name"] == "dev"]
    objects = render(values_of(releases(skaffold)["dev"]))
    ports = {
        (each["metadata"]["name"], port["port"])
        for each in objects
        if each["kind"] == "Service"
        for port in each["spec"]["ports"]
    }

    forwarded = {(each["resourceName"], each["port"]) for each in dev["portForward"]}
    assert forwarded <= ports
    assert {port for _, port in forwarded} == {8080, 8081, 8082}


def test_the_example_that_is_applied_is_a_pipeline(skaffold: Manifest) -> None:
    [dev] = [each for each in skaffold["profiles"] if each["name"] == "dev"]
    [hook] = dev["deploy"]["helm"]["hooks"]["after"]
    [file] = [each.partition("=")[2] for each in hook["host"]["command"] if "--filename" in each]

    assert parse_pipeline((ROOT / file).read_bytes()).name == "flights"


def test_a_development_node_has_room_for_two_versions_of_everything(
    skaffold: Manifest, render: Render
) -> None:
    pods = [
        each["spec"]["template"]["spec"]
        for each in render(values_of(releases(skaffold)["dev"]))
        if each["kind"] in {"Deployment", "StatefulSet"}
    ]
    requests = [container["resources"]["requests"] for pod in pods for container in pod["containers"]]

    assert 2 * sum(milli(each["cpu"]) for each in requests) <= 1500
    assert 2 * sum(mebi(each["memory"]) for each in requests) <= 6 * 1024


def milli(cpu: str) -> int:
    return int(cpu[:-1]) if cpu.endswith("m") else 1000 * int(cpu)


def mebi(memory: str) -> int:
    return int(memory[:-2]) * {"Mi": 1, "Gi": 1024}[memory[-2:]]


@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_kubernetes_takes_what_stands_in_for_google_cloud(dev: list[Manifest], version: str) -> None:
    for each in dev:
        kubernetes_validate.validate(each, version, strict=True)


def dev_containers(dev: list[Manifest]) -> Iterator[Manifest]:
    [pod] = [each["spec"]["template"]["spec"] for each in dev if each["kind"] == "Deployment"]
    yield from (*pod["initContainers"], *pod["containers"])


def test_what_stands_in_for_google_cloud_runs_modules_that_are_there(dev: list[Manifest]) -> None:
    for container in dev_containers(dev):
        interpreter, option, module = container["command"]
        assert (interpreter, option) == ("python", "-m")
        assert find_spec(module)
        assert container["image"] == "tidemill-local"


def test_the_broker_is_started_with_options_it_has(dev: list[Manifest]) -> None:
    [broker] = [each for each in dev_containers(dev) if each["name"] == "broker"]
    command = [sys.executable, *broker["command"][1:], "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout

    options = [each for each in broker["args"] if each.startswith("--")]
    assert options
    assert all(f"{option} " in shown for option in options)


def test_settings_of_what_stands_in_for_google_cloud_are_known(dev: list[Manifest]) -> None:
    settings: Mapping[str, type[ServiceSettings]] = {"bootstrap": ServiceSettings, "bucket": BucketSettings}
    for container in dev_containers(dev):
        names = {each["name"] for each in container.get("env", [])} - {"PUBSUB_EMULATOR_HOST"}
        if names:
            fields = settings[container["name"]].model_fields
            assert names <= {f"TIDEMILL_{name.upper()}" for name in fields}
            required = {f"TIDEMILL_{name.upper()}" for name, field in fields.items() if field.is_required()}
            assert required <= names


def test_the_development_release_uses_what_stands_in_for_google_cloud(
    dev: list[Manifest], skaffold: Manifest
) -> None:
    values = values_of(releases(skaffold)["dev"])
    named = {(each["kind"], each["metadata"]["name"]): each for each in dev}
    broker, _, port = values["pubsubEmulator"].partition(":")

    assert ("PersistentVolumeClaim", values["bucketClaim"]) in named
    assert int(port) in {each["port"] for each in named["Service", broker]["spec"]["ports"]}
    for container in dev_containers(dev):
        for variable in container.get("env", []):
            expected = {"TIDEMILL_PROJECT": values["project"], "TIDEMILL_BUCKET_URL": values["bucketUrl"]}
            assert expected.get(variable["name"], variable["value"]) == variable["value"]
