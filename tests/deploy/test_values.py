"""Rules for the chart's values: each is explained, typed and does something, whatever is combined."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml
from release_values import EVERYTHING, WITH_CLOUD_SQL

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

ROOT = Path(__file__).parents[2]
RULES = ("clients", "ingress", "monitoring", "tracking", "database", "outside")
RANGES = ("googleApis", "cloudSql")
LIKE = {
    "registry": "mark{}/",
    "instance": "project:region:mark{}",
    "warehouseUrl": "bigquery://project/mark{}",
    "interval": "{}s",
    **dict.fromkeys(("cpu", "memory", "scratch", "storage"), "{}Mi"),
}
# Values that are chosen among few: what to choose, and beside which others it matters.
SWITCHED: dict[tuple[str, ...], tuple[Manifest, object]] = {
    ("pipelines",): ({}, "bucket"),
    ("training", "launcher"): ({}, "kubernetes"),
    ("dataflow", "enabled"): (EVERYTHING, False),
    ("mlflow", "database", "type"): (EVERYTHING, "cloudsql"),
    ("mlflow", "database", "cloudsql", "privateIp"): (WITH_CLOUD_SQL, False),
    ("monitoring", "scrape"): (EVERYTHING, "PodMonitor"),
    ("monitoring", "alerts"): (EVERYTHING, "PrometheusRule"),
    ("monitoring", "dashboards"): (EVERYTHING, False),
    ("ingress", "healthCheck"): (EVERYTHING, False),
    ("networkPolicy", "enabled"): ({}, False),
    ("services", "ingest", "autoscaling", "enabled"): ({}, True),
    ("services", "ingest", "autoscaling", "cpuPercent"): (EVERYTHING, 7),
    ("services", "gateway", "autoscaling", "enabled"): ({}, True),
    ("services", "gateway", "autoscaling", "cpuPercent"): (EVERYTHING, 7),
}
OF_A_POD: Manifest = {
    "annotations": {"example.com/why": "a test"},
    "labels": {"team": "ml"},
    "nodeSelector": {"cloud.google.com/gke-spot": "true"},
    "tolerations": [{"key": "cloud.google.com/gke-spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "priorityClass": "high",
}


def dev() -> Manifest:
    return dict(yaml.safe_load((ROOT / "k8s" / "dev" / "values.yaml").read_text()))


SETS: dict[str, Manifest] = {
    "minimal": {},
    "everything": EVERYTHING,
    "cloud-sql": WITH_CLOUD_SQL,
    "dev": dev(),
}


@pytest.mark.parametrize("name", SETS)
def test_helm_finds_nothing_to_complain_of(lint: Callable[[Manifest], list[str]], name: str) -> None:
    assert lint(SETS[name]) == []


@pytest.mark.skipif(shutil.which("helm") is None, reason="no helm on the PATH: its engine was asked above")
def test_helm_itself_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(EVERYTHING | {"project": "example-project", "bucketUrl": "gs://bucket"}))

    command = ["helm", "lint", "--strict", str(ROOT / "helm" / "tidemill"), "--values", str(values)]
    subprocess.run(command, check=True, timeout=60)


def test_every_value_is_explained(chart: helm.Chart) -> None:
    def check(schema: Manifest, path: str) -> None:
        for key, child in schema.get("properties", {}).items():
            assert child["description"].strip(), f"{path}{key}"
            check(child, f"{path}{key}.")

    check(chart.schema or {}, "")


def test_no_template_makes_up_what_another_rendering_would_not_know(chart: helm.Chart) -> None:
    actions = " ".join(re.findall(r"{{.*?}}", "".join(each["data"] for each in chart.templates), re.DOTALL))

    assert not re.findall(r"\b(?:rand[A-Z]\w+|gen[A-Z]\w+|uuidv4|now)\b", actions)
    # How many pods load has made is the cluster's to say.
    assert re.findall(r"\blookup (\S+ \S+)", actions) == ['"apps/v1" "Deployment"']


@pytest.mark.parametrize("key", OF_A_POD)
def test_what_is_said_of_all_pods_reaches_every_pod(render: Render, key: str) -> None:
    objects = render(EVERYTHING | {"pods": {key: OF_A_POD[key]}})

    assert [name for name, pod in pods(objects) if not has(pod, key)] == []


@pytest.mark.parametrize(
    ("section", "component"),
    [
        *(
            (("services", name), name)
            for name in ("ingest", "transform", "trainer", "serving", "gateway", "controller")
        ),
        (("training",), "training"),
        (("modelServer",), "model-server"),
        (("mlflow",), "mlflow"),
        (("mlflow", "database", "bundled"), "mlflow-database"),
    ],
)
def test_what_is_said_of_a_components_pods_reaches_them_alone(
    render: Render, section: tuple[str, ...], component: str
) -> None:
    account = {"annotations": {"iam.gke.io/gcp-service-account": "a@b.iam.gserviceaccount.com"}}
    chosen: Manifest = {"pod": OF_A_POD, "serviceAccount": account}
    for part in reversed(section):
        chosen = {part: chosen}
    objects = render(merged(EVERYTHING, chosen))

    for key in OF_A_POD:
        assert [name for name, pod in pods(objects) if has(pod, key)] == [component]
    accounts = [
        each for each in objects if each["kind"] == "ServiceAccount" and "annotations" in each["metadata"]
    ]
    assert [each["metadata"]["name"] for each in accounts] == [f"tidemill-{component}"]
    assert accounts[0]["metadata"]["annotations"] == account["annotations"]


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Name every component that has pods, and its pod template; Jobs that the trainer makes are one."""
    jobs = [
        yaml.safe_load(each["data"]["job.yaml"])
        for each in objects
        if each["kind"] == "ConfigMap" and "job.yaml" in each["data"]
    ]
    for each in (*objects, *jobs):
        if each["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield each["metadata"]["labels"]["app.kubernetes.io/component"], each["spec"]["template"]


def has(pod: Manifest, key: str) -> bool:
    wanted = OF_A_POD[key]
    if key in ("annotations", "labels"):
        return bool(wanted.items() <= pod["metadata"].get(key, {}).items())
    return bool(pod["spec"].get("priorityClassName" if key == "priorityClass" else key) == wanted)


def test_every_value_is_found_in_what_is_rendered(chart: helm.Chart, render: Render) -> None:
    base = merged(chart.values, EVERYTHING | {"bucketUrl": "file:///srv/bucket"})
    marks: dict[tuple[str, ...], str] = {}
    # From the end, as minReplicas is to be the less.
    for place, (path, value) in enumerate(reversed(list(leaves(base)))):
        if path not in SWITCHED and path not in (("mlflow", "enabled"), ("bucketUrl",)):
            marks[path] = str(61_000 + place)
            put(base, path, marked(path[-1], value, 61_000 + place))
    tracking = {"trackingUri": base.pop("trackingUri"), "mlflow": {"enabled": False}}
    of_services = {name: {"image": "", "autoscaling": {"enabled": False}} for name in ("ingest", "gateway")}
    databases = [{"mlflow": {"database": {"type": each}}} for each in ("cloudsql", "uri")]
    others = (tracking, {"services": of_services}, *databases)
    # Some values matter only where others are as they usually are not.
    variants = [merged({**base, "trackingUri": ""}, other) for other in ({}, *others)]
    texts = "".join(yaml.safe_dump_all(render(each)) for each in variants)

    assert [".".join(path) for path, mark in marks.items() if mark not in texts] == []


@pytest.mark.parametrize("path", SWITCHED, ids=".".join)
def test_every_switch_does_something(render: Render, path: tuple[str, ...]) -> None:
    before, value = SWITCHED[path]
    after = deepcopy(before)
    put(after, path, value)

    assert render(after) != render(before)


def marked(key: str, value: object, mark: int) -> object:
    """Make up a value that is like another, and known by its mark."""
    match value:
        case int():
            return mark
        case list() if key in RANGES:
            return [f"::{mark}/64"]
        case list() if key.endswith(("Apis", "Servers")):
            return [{"cidr": f"::{mark}/64", "port": 443}]
        case list():
            return [{"ports": [{"port": mark}]}] if key in RULES else [f"mark{mark}"]
        case _:
            return LIKE.get(key, "mark{}").format(mark)


def put(values: Manifest, path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def merged(values: Manifest, more: Manifest) -> Manifest:
    """Return a copy of values with some of them replaced, as Helm merges them."""
    result = deepcopy(values)
    for key, value in more.items():
        result[key] = merged(result.get(key, {}), value) if isinstance(value, dict) else value
    return result


def leaves(values: Manifest, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """List every value, but for those of pods, which have tests of their own, and tables that are empty."""
    for key, value in values.items():
        if isinstance(value, dict) and key != "pods":
            yield from leaves(value, (*path, key))
        elif key != "pods":
            yield (*path, key), value
