"""The chart, rendered by Helm's own engine."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import helm_python as helm
import pytest
import yaml

Manifest = dict[str, Any]
Render = Callable[..., list[Manifest]]

CHART = Path(__file__).parents[2] / "helm" / "tidemill"
REQUIRED = {
    "project": "example-project",
    "bucketUrl": "gs://example-bucket",
    "trackingUri": "https://mlflow.example.com",
}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if "KUBEBUILDER_ASSETS" not in os.environ:
        what = "no KUBEBUILDER_ASSETS with kube-apiserver and etcd: nothing was asked of a real API server"
        terminalreporter.write_line(f"SKIPPED: {what}", yellow=True)


@pytest.fixture(scope="session")
def chart() -> Iterator[helm.Chart]:
    with helm.Chart.load(CHART) as chart:
        yield chart


@pytest.fixture(scope="session")
def render(chart: helm.Chart) -> Render:
    """Render a release's objects as an install would: the schema first, then the templates."""

    def rendered(
        values: Mapping[str, Any] = {}, *, release: str = "tidemill", namespace: str = "tidemill"
    ) -> list[Manifest]:
        given = {**REQUIRED, **values}
        chart.validate_schema(given)
        files = chart.render(given, name=release, namespace=namespace, is_install=True)
        texts = [text for name, text in files.items() if name.endswith(".yaml")]
        return [each for text in texts for each in yaml.safe_load_all(text) if each]

    return rendered


@pytest.fixture(scope="session")
def notes(chart: helm.Chart) -> Callable[[Mapping[str, Any]], str]:
    """Return what an install says when it has ended."""

    def said(values: Mapping[str, Any]) -> str:
        files = chart.render({**REQUIRED, **values}, name="tidemill", namespace="tidemill", is_install=True)
        return str(files["tidemill/templates/NOTES.txt"])

    return said


@pytest.fixture(scope="session")
def lint() -> Callable[[Mapping[str, Any]], list[str]]:
    """Return what Helm's own linter finds, hints left out: 1 is that charts may have an icon."""

    def found(values: Mapping[str, Any]) -> list[str]:
        report = helm.lint(CHART, {**REQUIRED, **values}, strict=True)
        return [each["error"] for each in report["messages"] if each["severity"] > 1]

    return found


@pytest.fixture(scope="session")
def objects(render: Render) -> list[Manifest]:
    """What the chart's defaults give."""
    return render()
