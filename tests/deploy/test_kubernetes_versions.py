"""Every object is valid in the oldest Kubernetes that the chart names, in one between and in the newest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from release_values import EVERYTHING, WITH_CLOUD_SQL, is_of_another_project

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

ROOT = Path(__file__).parents[2]
OLDEST = "1.30"
VERSIONS = [OLDEST, "1.34", kubernetes_validate.latest_version()]


def test_the_chart_names_the_oldest_version() -> None:
    chart = yaml.safe_load((ROOT / "helm" / "tidemill" / "Chart.yaml").read_text())

    assert chart["kubeVersion"] == f">={OLDEST}.0-0"


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "values", [{}, EVERYTHING, WITH_CLOUD_SQL], ids=["defaults", "everything", "cloud-sql"]
)
def test_kubernetes_takes_every_object(render: Render, values: Manifest, version: str) -> None:
    for each in render(values):
        if not is_of_another_project(each):
            kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_takes_the_custom_resource(version: str) -> None:
    [definition] = (ROOT / "k8s" / "crds").iterdir()

    kubernetes_validate.validate(yaml.safe_load(definition.read_text()), version, strict=True)
