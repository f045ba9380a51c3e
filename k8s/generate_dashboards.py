"""Write the Grafana dashboards of the chart, from a table of what each panel asks."""

import json
import sys
from pathlib import Path
from typing import Any

Panel = dict[str, Any]

ONES = '{namespace=~"$namespace", model=~"$model"}'
REQUESTS = f"tidemill_gateway_request_seconds_count{ONES}"
BUCKETS = 'tidemill_gateway_request_seconds_bucket{namespace=~"$namespace", model=~"$model", code="OK"}'
OURS = '{namespace=~"$namespace"}'
FAULTS = "INTERNAL|UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED|DATA_LOSS"
GATEWAY, CONSUMER = "tidemill_gateway", "tidemill_consumer"

# What a label's values are read from: what every gateway tells from its start, and what callers asked for.
CHOICES = {"namespace": f"{GATEWAY}_routes_connected", "model": f"{GATEWAY}_request_seconds_count"}

# Dashboard -> title of a panel -> unit, and what it asks, by legend.
DASHBOARDS: dict[str, dict[str, tuple[str, dict[str, str]]]] = {
    "predictions": {
        "Requests": ("reqps", {"{{model}}": f"sum by (model) (rate({REQUESTS}[$__rate_interval]))"}),
        "Failures, of all requests": (
            "percentunit",
            {
                "{{model}}": f'sum by (model) (rate({REQUESTS[:-1]}, code=~"{FAULTS}"}}[$__rate_interval]))'
                f" / sum by (model) (rate({REQUESTS}[$__rate_interval]))"
            },
        ),
        "Refusals and failures, by code": (
            "reqps",
            {"{{code}}": f'sum by (code) (rate({REQUESTS[:-1]}, code!="OK"}}[$__rate_interval]))'},
        ),
        "Time to an answer": (
            "s",
            {
                f"{{{{model}}}} p{place}": f"histogram_quantile(0.{place}, sum by (model, le) "
                f"(rate({BUCKETS}[$__rate_interval])))"
                for place in (50, 95, 99)
            },
        ),
        "Requests, by version and variant": (
            "reqps",
            {
                "{{model}} {{version}} {{variant}}": "sum by (model, version, variant) "
                f"(rate({REQUESTS}[$__rate_interval]))"
            },
        ),
        "Requests in a call of a model": (
            "short",
            {
                "mean": f"sum(rate({GATEWAY}_requests_per_call_sum{OURS}[$__rate_interval]))"
                f" / sum(rate({GATEWAY}_requests_per_call_count{OURS}[$__rate_interval]))"
            },
        ),
    },
    "releases": {
        "Time to an answer, by version (p95)": (
            "s",
            {
                "{{model}} {{version}}": "histogram_quantile(0.95, sum by (model, version, le) "
                f"(rate({BUCKETS}[$__rate_interval])))"
            },
        ),
        "Failures, by version": (
            "percentunit",
            {
                "{{model}} {{version}}": f'sum by (model, version) (rate({REQUESTS[:-1]}, code=~"{FAULTS}"}}'
                f"[$__rate_interval])) / sum by (model, version) (rate({REQUESTS}[$__rate_interval]))"
            },
        ),
        "Answers of fallbacks": (
            "reqps",
            {
                "{{model}} {{fallback}}": f"sum by (model, fallback) "
                f"(rate({GATEWAY}_fallbacks_total{ONES}[$__rate_interval]))"
            },
        ),
        "Calls of shadows": (
            "reqps",
            {
                "{{model}} {{version}} {{outcome}}": "sum by (model, version, outcome) "
                f"(rate({GATEWAY}_shadow_calls_total{ONES}[$__rate_interval]))"
            },
        ),
        "Releases": (
            "short",
            {"{{outcome}}": f"sum by (outcome) (increase(tidemill_serving_releases_total{OURS}[$__range]))"},
        ),
        "Trainings": (
            "short",
            {"{{outcome}}": f"sum by (outcome) (increase(tidemill_trainer_verdicts_total{OURS}[$__range]))"},
        ),
    },
    "data": {
        "Files, by outcome": (
            "short",
            {"{{outcome}}": f"sum by (outcome) (increase(tidemill_ingest_drops_total{OURS}[$__range]))"},
        ),
        "Rows of files": (
            "short",
            {"{{fate}}": f"sum by (fate) (increase(tidemill_ingest_rows_total{OURS}[$__range]))"},
        ),
        "Dataset versions, by outcome": (
            "short",
            {
                "{{outcome}}": "sum by (outcome) "
                f"(increase(tidemill_transform_datasets_total{OURS}[$__range]))"
            },
        ),
        "Anomalies": (
            "short",
            {
                "{{type}} {{severity}}": "sum by (type, severity) "
                f"(increase(tidemill_transform_anomalies_total{OURS}[$__range]))"
            },
        ),
        "Messages": (
            "short",
            {
                "{{subscription}} {{outcome}}": "sum by (subscription, outcome) "
                f"(rate({CONSUMER}_messages_total{OURS}[$__rate_interval]))"
            },
        ),
        "Time in handlers (p95)": (
            "s",
            {
                "{{subscription}}": "histogram_quantile(0.95, sum by (subscription, le) "
                f"(rate({CONSUMER}_handling_seconds_bucket{OURS}[$__rate_interval])))"
            },
        ),
    },
}


def dashboard(name: str, panels: dict[str, tuple[str, dict[str, str]]]) -> Panel:
    """Describe a dashboard: two panels a row."""
    variables = [variable(label) for label in CHOICES if f"${label}" in str(panels)]
    return {
        "uid": f"tidemill-{name}",
        "title": f"Tidemill: {name}",
        "tags": ["tidemill"],
        "schemaVersion": 39,
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "templating": {"list": [source(), *variables]},
        "panels": [
            panel(place, title, unit, asked) for place, (title, (unit, asked)) in enumerate(panels.items())
        ],
    }


def panel(place: int, title: str, unit: str, asked: dict[str, str]) -> Panel:
    """Describe one picture."""
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": title,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"h": 8, "w": 12, "x": 12 * (place % 2), "y": 8 * (place // 2)},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": legend}
            for number, (legend, expression) in enumerate(asked.items())
        ],
    }


def source() -> Panel:
    """Let people choose the Prometheus that is asked."""
    return {"name": "source", "type": "datasource", "query": "prometheus"}


def variable(label: str) -> Panel:
    """Let people choose values of a label; all of them at first."""
    return {
        "name": label,
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": f"label_values({CHOICES[label]}, {label})",
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "current": {"text": "All", "value": "$__all"},
        "refresh": 2,
    }


if __name__ == "__main__":
    target = Path(sys.argv[1], "helm/tidemill/files/dashboards")
    target.mkdir(parents=True, exist_ok=True)
    for name, panels in DASHBOARDS.items():
        (target / f"{name}.json").write_text(json.dumps(dashboard(name, panels), indent=2) + "\n")
