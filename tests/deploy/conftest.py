"""The chart, rendered by Helm's own engine."""

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


@pytest.fixture(scope="session")
def chart() -> Iterator[helm.Chart]:
    with helm.Chart.load(CHART) as chart:
        yield chart


@pytest.fixture(scope="session")
def render(chart: helm.Chart) -> Render:
    """Render a release's objects as an install would: the schema first, then the templates."""

    def rendered(values: Mapping[str, Any] = {}, *, release: str = "tidemill") -> list[Manifest]:
        given = {**REQUIRED, **values}
        chart.validate_schema(given)
        files = chart.render(given, name=release, namespace="tidemill", is_install=True)
        texts = [text for name, text in files.items() if name.endswith(".yaml")]
        return [each for text in texts for each in yaml.safe_load_all(text) if each]

    return rendered


@pytest.fixture(scope="session")
def objects(render: Render) -> list[Manifest]:
    """What the chart's defaults give."""
    return render()
