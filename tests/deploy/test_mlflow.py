"""An MLflow of the release's own: found by the trainer, its runs in PostgreSQL, its files in the bucket."""

import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from helm_python import HelmError
from sqlalchemy import make_url

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

SECRET = {"name": "a-secret", "key": "a-key"}
REFERENCE = {"secretKeyRef": SECRET}


@pytest.fixture(scope="module")
def bundled(render: Render) -> list[Manifest]:
    return render(chosen())


def chosen(**database: Any) -> Manifest:
    return {"trackingUri": "", "mlflow": {"enabled": True, "database": {"secret": SECRET, **database}}}


def pod(objects: list[Manifest], component: str, kind: str = "Deployment") -> Manifest:
    [found] = [
        each
        for each in objects
        if (each["kind"], each["metadata"]["name"]) == (kind, f"tidemill-{component}")
    ]
    return dict(found["spec"]["template"]["spec"])


def environment(container: Mapping[str, Any]) -> dict[str, Any]:
    """Map each variable to its value, or to where it comes from."""
    return {each["name"]: each.get("value") or each["valueFrom"] for each in container["env"]}


def test_the_trainer_tracks_there_and_is_let_in_by_the_name_it_uses(bundled: list[Manifest]) -> None:
    uri = environment(pod(bundled, "trainer")["containers"][0])["TIDEMILL_TRACKING_URI"]
    [mlflow] = pod(bundled, "mlflow")["containers"]
    hosts = environment(mlflow)["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")

    def lets_in(host: str) -> bool:
        return any(fnmatch(host, each) for each in hosts)

    assert uri == "http://tidemill-mlflow:5000"
    assert lets_in(uri.removeprefix("http://"))
    assert lets_in("localhost:5000"), "as port-forwarding asks"
    assert not lets_in("elsewhere.example.com")


def test_it_is_either_there_already_or_the_releases_own(render: Render) -> None:
    with pytest.raises(HelmError, match="expected one of trackingUri and"):
        render(chosen() | {"trackingUri": "https://mlflow.example.com"})
    with pytest.raises(HelmError, match="expected one of trackingUri and"):
        render({"trackingUri": ""})


def test_its_variables_flags_and_probes_are_mlflows(bundled: list[Manifest]) -> None:
    [container] = pod(bundled, "mlflow")["containers"]
    # Read, as to import it takes longer than all of this file.
    files = ("environment_variables.py", "cli/__init__.py", "utils/cli_args.py", "server/security_utils.py")
    source = "\n".join((mlflow_folder() / file).read_text() for file in files)

    for name in environment(container):
        assert not name.startswith("MLFLOW_") or f'"{name}"' in source
    for flag in container["command"][2:]:
        assert f'"{flag.split("=")[0]}"' in source
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert f'"{container[probe]["httpGet"]["path"]}"' in source


def mlflow_folder() -> Path:
    spec = importlib.util.find_spec("mlflow")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


def test_its_image_is_of_the_version_that_the_trainer_has(bundled: list[Manifest]) -> None:
    version = importlib.metadata.version("mlflow")

    for container in (*pod(bundled, "mlflow")["containers"], *pod(bundled, "mlflow")["initContainers"]):
        assert container["image"] == f"ghcr.io/mlflow/mlflow:v{version}-full"


def test_mlflow_logs_in_with_the_password_that_the_database_was_made_with(bundled: list[Manifest]) -> None:
    [migrate] = pod(bundled, "mlflow")["initContainers"]
    [mlflow] = pod(bundled, "mlflow")["containers"]
    [database] = pod(bundled, "mlflow-database", "StatefulSet")["containers"]
    made = environment(database)

    for container in (migrate, mlflow):
        url = make_url(environment(container)["MLFLOW_BACKEND_STORE_URI"])
        assert (url.username, url.database) == (made["POSTGRES_USER"], made["POSTGRES_DB"])
        assert (url.host, url.port, url.password) == ("tidemill-mlflow-database", 5432, None)
        assert environment(container)["PGPASSWORD"] == made["POSTGRES_PASSWORD"] == REFERENCE
    assert migrate["command"] == ["mlflow", "db", "upgrade", "$(MLFLOW_BACKEND_STORE_URI)"]


def test_a_name_too_long_for_its_pods_labels_is_refused(render: Render) -> None:
    assert render(chosen(), release="r" * 36)
    with pytest.raises(HelmError, match="at most 36 characters"):
        render(chosen(), release="r" * 37)


def test_the_databases_files_outlive_its_pod(bundled: list[Manifest]) -> None:
    [whole] = [each for each in bundled if each["kind"] == "StatefulSet"]
    [database] = pod(bundled, "mlflow-database", "StatefulSet")["containers"]
    [claim] = whole["spec"]["volumeClaimTemplates"]
    mounts = {each["name"]: each["mountPath"] for each in database["volumeMounts"] if "subPath" not in each}

    assert environment(database)["PGDATA"].startswith(mounts[claim["metadata"]["name"]] + "/")
    assert claim["spec"]["resources"]["requests"]["storage"] == "10Gi"


def test_files_are_in_the_bucket(render: Render, bundled: list[Manifest]) -> None:
    [container] = pod(bundled, "mlflow")["containers"]
    assert environment(container)["MLFLOW_ARTIFACTS_DESTINATION"] == "gs://example-bucket/mlflow"

    objects = render(chosen() | {"bucketUrl": "file:///srv/bucket", "bucketClaim": "claimed"})
    [container] = pod(objects, "mlflow")["containers"]
    folder = environment(container)["MLFLOW_ARTIFACTS_DESTINATION"].removeprefix("file://")
    [mount] = [each for each in container["volumeMounts"] if each["name"] == "bucket"]
    assert folder.startswith(mount["mountPath"] + "/")
    assert not mount["readOnly"]
    assert "bucket" not in str(pod(objects, "mlflow-database", "StatefulSet"))


def test_cloud_sql_is_reached_through_a_proxy_that_is_there_first(render: Render) -> None:
    objects = render(chosen(type="cloudsql", cloudsql={"instance": "project:region:instance"}))
    proxy, migrate = pod(objects, "mlflow")["initContainers"]
    url = make_url(environment(migrate)["MLFLOW_BACKEND_STORE_URI"])

    assert proxy["restartPolicy"] == "Always"
    assert proxy["args"][-1] == "project:region:instance"
    assert (url.host, f"--port={url.port}") == ("localhost", proxy["args"][0])
    assert proxy["startupProbe"]["httpGet"]["path"] == "/startup"
    assert "StatefulSet" not in {each["kind"] for each in objects}


def test_any_other_database_is_named_by_a_secret_alone(render: Render) -> None:
    objects = render(chosen(type="uri"))
    [container] = pod(objects, "mlflow")["containers"]

    assert environment(container)["MLFLOW_BACKEND_STORE_URI"] == REFERENCE
    assert "PGPASSWORD" not in environment(container)
    assert "StatefulSet" not in {each["kind"] for each in objects}
