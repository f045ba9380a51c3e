"""The chart and the services' code agree on settings, ports and probes."""

import json
import os
import urllib.request
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from helm_python import HelmError

from tidemill_runtime.ops import OpsServer
from tidemill_runtime.settings import ServiceSettings

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

SERVICES = ("ingest", "transform", "trainer", "serving", "gateway", "controller")
ROOT = Path(__file__).parents[2]
SECRET = "a key that is long enough, and no secret"  # noqa: S105


def settings_class(service: str) -> type[ServiceSettings]:
    found: type[ServiceSettings] = import_module(f"tidemill_{service}.settings").Settings
    return found


def started(
    objects: list[Manifest], service: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[ServiceSettings, Manifest]:
    """Read a service's settings in the environment that the chart gives it; return its container too."""
    container = deployed(objects, service)
    for name in [name for name in os.environ if name.startswith("TIDEMILL_")]:
        monkeypatch.delenv(name)
    for variable in container["env"]:
        monkeypatch.setenv(variable["name"], variable.get("value", SECRET))
    return settings_class(service)(), container


def deployed(objects: list[Manifest], component: str) -> Manifest:
    [deployment] = [
        each
        for each in objects
        if each["kind"] in ("Deployment", "StatefulSet")
        and each["metadata"]["labels"]["app.kubernetes.io/component"] == component
    ]
    return dict(deployment["spec"]["template"]["spec"]["containers"][0])


def addresses(objects: list[Manifest]) -> set[str]:
    services = [each for each in objects if each["kind"] == "Service"]
    return {
        f"{each['metadata']['name']}:{port['port']}" for each in services for port in each["spec"]["ports"]
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_what_the_chart_gives_it(
    objects: list[Manifest], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, container = started(objects, service, monkeypatch)

    known = {f"TIDEMILL_{name.upper()}" for name in type(settings).model_fields}
    assert {variable["name"] for variable in container["env"]} <= known
    assert settings.project == "example-project"
    assert getattr(settings, "bucket_url", None) in (None, "gs://example-bucket")
    assert settings.host == "0.0.0.0"  # noqa: S104 - a pod is reached from outside


@pytest.mark.parametrize("service", SERVICES)
def test_ports_are_those_the_service_listens_on(objects: list[Manifest], service: str) -> None:
    fields = settings_class(service).model_fields
    listens = {field.default for name, field in fields.items() if name.endswith("port")}
    ports = {port["containerPort"]: port["name"] for port in deployed(objects, service)["ports"]}

    assert ports.keys() == listens
    assert ports[fields["metrics_port"].default] == "metrics"


def test_other_components_listen_where_their_commands_and_probes_say(render: Render) -> None:
    values = {"trackingUri": "", "mlflow": {"enabled": True, "database": {"secret": {"name": "mlflow"}}}}
    objects = render(values)

    for component in ("model-server", "mlflow", "mlflow-database"):
        container = deployed(objects, component)
        [port] = container["ports"]
        said = " ".join((*container.get("command", []), *container.get("args", [])))
        assert component == "mlflow-database" or f"--port={port['containerPort']}" in said
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            [(kind, asked)] = [
                (key, value) for key, value in container[probe].items() if isinstance(value, dict)
            ]
            assert kind == "exec" or asked["port"] in (port["name"], port["containerPort"])


@pytest.mark.parametrize("service", SERVICES)
def test_addresses_of_other_components_are_theirs(
    objects: list[Manifest], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = started(objects, service, monkeypatch)

    given = {
        value.removeprefix("dns:///")
        for name, value in settings.model_dump().items()
        if name.endswith("_address") and value and not value.startswith("localhost:")
    }
    assert given <= addresses(objects)


def test_addresses_lead_from_gateway_to_serving_to_the_model_server(
    objects: list[Manifest], monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, _ = started(objects, "gateway", monkeypatch)
    serving, _ = started(objects, "serving", monkeypatch)

    assert gateway.model_dump()["serving_address"] == "tidemill-serving:8510"
    assert serving.model_dump()["model_server_address"] == "dns:///tidemill-models:8500"


def test_the_controller_is_told_where_pipelines_are_declared(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    for pipelines, namespace in (("kubernetes", "tidemill"), ("bucket", "")):
        settings, _ = started(render({"pipelines": pipelines}), "controller", monkeypatch)

        assert settings.model_dump(include={"pipelines", "namespace"}) == {
            "pipelines": pipelines,
            "namespace": namespace,
        }


def test_dataflow_is_told_all_that_it_must_be(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    dataflow = {"enabled": True, "region": "europe-west1", "workerServiceAccount": "a@b"}
    settings, _ = started(
        render({"dataflow": dataflow, "image": {"registry": "registry/", "tag": "7"}}),
        "transform",
        monkeypatch,
    )

    assert settings.model_dump()["beam_options"] == (
        "--runner=DataflowRunner",
        "--project=example-project",
        "--region=europe-west1",
        "--temp_location=gs://example-bucket/tmp",
        "--sdk_container_image=registry/tidemill-worker:7",
        "--service_account_email=a@b",
        "--no_use_public_ips",
    )
    with pytest.raises(HelmError, match="received both"):
        render({"dataflow": dataflow, "services": {"transform": {"settings": {"beam_options": ["--x"]}}}})


def test_probes_ask_what_every_service_answers(objects: list[Manifest]) -> None:
    server = OpsServer("127.0.0.1", 0, live={}, ready={})
    server.start()
    try:
        for service in SERVICES:
            container = deployed(objects, service)
            asked = [container[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")]
            assert [each["path"] for each in asked] == ["/livez", "/livez", "/readyz"]
            assert {each["port"] for each in asked} == {"metrics"}
            for path in {each["path"] for each in asked}:
                with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=5) as answer:
                    assert answer.status == 200
    finally:
        server.stop()


def test_settings_of_a_deployment_reach_the_service(render: Render, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: dict[str, Manifest] = {
        "ingest": {"max_file_bytes": 5 << 30, "log_level": "DEBUG", "shutdown_seconds": 12.5},
        "transform": {"beam_options": ["--runner=DataflowRunner", "--region=europe-west1"]},
    }
    objects = render({"services": {name: {"settings": values} for name, values in chosen.items()}})

    for service, values in chosen.items():
        settings, _ = started(objects, service, monkeypatch)
        assert json.loads(json.dumps(settings.model_dump(include=set(values)))) == values


def test_a_secret_setting_is_read_from_a_secret_and_cannot_be_written_in_clear(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = {"name": "privacy", "key": "hash-key"}
    objects = render({"services": {"ingest": {"secrets": {"privacy_key": reference}}}})

    settings, container = started(objects, "ingest", monkeypatch)

    assert settings.model_dump()["privacy_key"].get_secret_value() == SECRET
    assert {"name": "TIDEMILL_PRIVACY_KEY", "valueFrom": {"secretKeyRef": reference}} in container["env"]
    with pytest.raises(HelmError):
        render({"services": {"ingest": {"settings": {"privacy_key": SECRET}}}})


def test_a_pod_is_given_the_time_that_its_shutdown_takes(render: Render) -> None:
    objects = render({"services": {"ingest": {"settings": {"shutdown_seconds": 60}}}})

    [pod] = [
        each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "tidemill-ingest"
    ]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    # One after the other: the server's connections, then the consumer's messages.
    assert pod["terminationGracePeriodSeconds"] > pause + 60 + 60


def test_settings_that_name_files_find_them_in_a_secret(
    render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = "/etc/tidemill/files/api-keys.yaml"
    objects = render(
        {"services": {"gateway": {"files": "gateway-files", "settings": {"api_keys_file": path}}}}
    )

    settings, container = started(objects, "gateway", monkeypatch)

    [mount] = [each for each in container["volumeMounts"] if path.startswith(each["mountPath"] + "/")]
    [pod] = [
        each["spec"]["template"]["spec"]
        for each in objects
        if each["kind"] == "Deployment" and each["metadata"]["name"] == "tidemill-gateway"
    ]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes[mount["name"]]["secret"] == {"secretName": "gateway-files"}
    assert str(settings.model_dump()["api_keys_file"]) == path
