"""Alerts and dashboards ask for what the code tells, and ask so that the first event counts."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

Manifest = dict[str, Any]

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "helm" / "tidemill" / "files" / "alerts.yaml"
DASHBOARDS = ROOT / "helm" / "tidemill" / "files" / "dashboards"
DECLARED = re.compile(r'\(\s*"(tidemill_\w+)",\s*"[^"]*",?\s*(\[[^\]]*\])?')
SERIES = re.compile(r"(tidemill_\w+?)(?:_count|_sum|_bucket)?(?:{([^}]*)}|(?=\W))")
# What the one who scrapes adds to every series, and what histograms have.
ADDED = {"namespace", "le"}


def alerts() -> Iterator[Manifest]:
    for group in yaml.safe_load(ALERTS.read_text())["groups"]:
        yield from group["rules"]


def panels() -> Iterator[Manifest]:
    for path in DASHBOARDS.glob("*.json"):
        yield from json.loads(path.read_text())["panels"]


def asked() -> Iterator[str]:
    """Every expression of the dashboards and alerts."""
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (alert["expr"] for alert in alerts())


@cache
def source() -> str:
    """The code of all services and of what they share."""
    return "\n".join(path.read_text() for path in ROOT.glob("*s/*/src/**/*.py"))


@cache
def told() -> dict[str, set[str]]:
    """Every series that some service declares, with its labels."""
    return {name: set(re.findall(r'"(\w+)"', labels)) for name, labels in DECLARED.findall(source())}


def grouped(expression: str) -> list[set[str]]:
    return [set(labels.split(", ")) for labels in re.findall(r"\bby \(([^)]+)\)", expression)]


def test_series_that_are_asked_for_are_told_by_the_code() -> None:
    named = {name for expression in asked() for name, _ in SERIES.findall(expression)}

    assert len(named) > 10
    assert named <= told().keys()


def test_labels_that_are_asked_for_are_those_of_the_series() -> None:
    for expression in asked():
        series = SERIES.findall(expression)
        for name, selected in series:
            assert set(re.findall(r"(\w+)!?=", selected)) <= told()[name] | ADDED, expression
        for labels in grouped(expression):
            assert labels <= set.intersection(*(told()[name] for name, _ in series)) | ADDED, expression


def test_labels_that_are_shown_are_left_by_the_expression() -> None:
    shown = [(target["expr"], target["legendFormat"]) for panel in panels() for target in panel["targets"]]
    said = [(alert["expr"], text) for alert in alerts() for text in alert["annotations"].values()]

    for expression, text in (*shown, *said):
        labels = set(re.findall(r"{{ *(?:\$labels\.)?(\w+) *}}", text))
        assert all(labels <= left for left in grouped(expression)), text


def test_outcomes_that_are_asked_for_are_counted_by_that_name() -> None:
    values = {
        value
        for expression in asked()
        for pattern in re.findall(r'(?:outcome|fate|code)!?=~?"([^"]+)"', expression)
        for value in pattern.split("|")
    }

    assert values
    assert [value for value in sorted(values) if f'"{value}"' not in source()] == []


def test_every_alert_says_what_to_do() -> None:
    for alert in alerts():
        assert alert["annotations"].keys() == {"summary", "runbook"}
        assert alert["labels"]["severity"] in ("warning", "critical")
        # The command line knows the platform of its own machine alone.
        assert "`tidemill " not in alert["annotations"]["runbook"]


def test_a_first_event_is_counted_by_every_alert_that_counts_events() -> None:
    for alert in alerts():
        expression = " ".join(alert["expr"].split())
        for selected, window in re.findall(r"increase\(([^[]+)\[(\w+)\]\)", expression):
            # Without labels a series is there from the start of its process, at 0.
            if told()[selected.partition("{")[0]]:
                assert f"({selected} unless {selected} offset {window}) or increase(" in expression


def test_dashboards_let_choose_what_their_panels_heed() -> None:
    for path in DASHBOARDS.glob("*.json"):
        dashboard = json.loads(path.read_text())
        offered = [variable["name"] for variable in dashboard["templating"]["list"]]
        text = json.dumps(dashboard["panels"])
        assert [name for name in offered if f"${name}" not in text and f"${{{name}}}" not in text] == []


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool on the PATH: no alert was evaluated"
)
def test_alerts_fire_from_the_first_event_and_end_when_it_is_past(tmp_path: Path) -> None:
    labels = 'namespace="ml"'
    told_since_20m = "_x20 1x200"  # nothing for 20 minutes, then a counter that appears with 1
    cases = {
        "TidemillModelTakenBack": f'tidemill_serving_releases_total{{{labels}, outcome="withdrawn"}}',
        "TidemillMessagesRejected": f'tidemill_consumer_messages_total{{{labels}, outcome="reject"}}',
        "TidemillDropsQuarantined": f'tidemill_ingest_drops_total{{{labels}, outcome="quarantined"}}',
        "TidemillMessagesRetried": f'tidemill_consumer_messages_total{{{labels}, outcome="retry"}}',
    }
    values = {alert: "0+3x200" if alert.endswith("Retried") else told_since_20m for alert in cases}
    tests = [
        {
            "interval": "1m",
            "input_series": [{"series": series, "values": values[alert]}],
            "promql_expr_test": [
                {"expr": f'count(ALERTS{{alertname="{alert}"}})', "eval_time": time, "exp_samples": expected}
                for time, expected in (
                    ("32m", [{"value": 1}]),
                    ("150m", [{"value": 1}] if alert.endswith("Retried") else []),
                )
            ],
        }
        for alert, series in cases.items()
    ]
    file = tmp_path / "tests.yaml"
    file.write_text(
        yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests})
    )

    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
