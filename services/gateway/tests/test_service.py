"""The gateway as a process: probes, limits, metrics, documentation, start and stop."""

import gzip
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from gateway_processes import GatewayProcess, started
from gateways import running_gateway
from prometheus_client import REGISTRY
from tiny_models import ModelServer, Serving, route, running_serving

PREDICT = "/v1/models/half_plus_two:predict"


def count(**labels: str) -> float:
    labels = {"variant": "", "protocol": "rest", "api": "tfs", **labels}
    return REGISTRY.get_sample_value("tidemill_gateway_request_seconds_count", labels) or 0.0


def test_answers_and_refusals_are_measured_by_model_version_and_signature(client: httpx.Client) -> None:
    answered = {"model": "half_plus_two", "version": "124", "signature": "other", "code": "OK"}
    refused = {**answered, "version": "123", "signature": "serving_default", "code": "INVALID_ARGUMENT"}
    before = count(**answered), count(**refused)

    client.post(
        "/v1/models/half_plus_two/labels/canary:predict", json={"signature_name": "other", "instances": [1]}
    )
    client.post(PREDICT, json={"instances": ["x"]})

    assert (count(**answered), count(**refused)) == (before[0] + 1, before[1] + 1)


def test_a_broken_body_counts_against_its_model(client: httpx.Client) -> None:
    labels = {"model": "half_plus_two", "version": "", "signature": "__unknown__", "code": "INVALID_ARGUMENT"}
    before = count(**labels)

    client.post(PREDICT, content=b"{")

    assert count(**labels) == before + 1


def test_guessed_names_add_no_series(client: httpx.Client) -> None:
    folded = {"model": "__unknown__", "version": "", "signature": "__unknown__", "code": "NOT_FOUND"}
    client.post("/v1/models/guess:predict", json={"instances": [1]})
    client.post(PREDICT, json={"instances": [1], "signature_name": "guess"})
    before, series = count(**folded), len(list(REGISTRY.collect()))
    sampled = sum(len(metric.samples) for metric in REGISTRY.collect())

    for number in range(20):
        client.post(f"/v1/models/guess{number}:predict", json={"instances": [1]})
        client.post(PREDICT, json={"instances": [1], "signature_name": f"guess{number}"})

    assert count(**folded) == before + 20
    assert len(list(REGISTRY.collect())) == series
    assert sum(len(metric.samples) for metric in REGISTRY.collect()) == sampled


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_a_body_beyond_the_limit_is_refused_unread(encoding: str) -> None:
    body = b'{"instances": [' + b" " * 100_000 + b"1]}"
    content = gzip.compress(body) if encoding == "gzip" else body

    with running_gateway("127.0.0.1:1", max_body_bytes=1000) as client:
        response = client.post(PREDICT, content=content, headers={"content-encoding": encoding})

    assert response.status_code == 413
    assert response.json() == {"error": "Expecting a body of at most 1000 bytes but got more"}


def test_the_api_is_documented(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()

    OpenAPI.model_validate(document)
    predict = document["paths"]["/v1/models/{model}/versions/{version}:predict"]["post"]
    assert {"200", "400", "404", "503", "504"} <= predict["responses"].keys()
    assert {"/livez", "/readyz", "/v1/models", "/v1/models/{model}/metadata"} <= document["paths"].keys()


def test_a_browser_that_reads_the_documentation_asks_no_other_host(client: httpx.Client) -> None:
    page = client.get("/docs").text

    assert "//" not in re.sub("<!--.*?-->|^ *//.*$", "", page, flags=re.MULTILINE)
    named = re.findall('(?:src|href)="(.+?)"', page)
    replies = [client.get(f"/{name}") for name in (*named, "openapi.json")]
    types = {reply.headers["content-type"].partition(";")[0].rpartition("/")[2] for reply in replies}
    assert (len(named), {reply.status_code for reply in replies}) == (3, {200})
    assert types == {"css", "javascript", "png", "json"}


def test_the_process_serves_tells_its_state_and_stops_in_order(
    model_server: ModelServer, tmp_path: Path
) -> None:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with running_serving(serving):
        gateway = GatewayProcess(
            serving.address, tmp_path / "log", {"TIDEMILL_BUCKET_URL": "file:///nowhere"}
        )
        with started(gateway):
            answer = httpx.post(gateway.url + PREDICT, json={"instances": [2.0]}, timeout=30)
            operations = f"http://127.0.0.1:{gateway.metrics_port}"
            alive = httpx.get(f"{operations}/livez", timeout=30)
            metrics = httpx.get(f"{operations}/metrics", timeout=30).text
            gateway.terminate()
            code = gateway.wait()

    assert answer.json() == {"predictions": [3.0]}
    assert alive.status_code == 200
    assert "tidemill_gateway_routes_connected 1.0" in metrics
    assert 'tidemill_gateway_request_seconds_count{api="tfs",code="OK",model="half_plus_two"' in metrics
    assert code == 0


def test_nothing_heavy_is_imported() -> None:
    heavy = "{'tensorflow', 'google.cloud.pubsub_v1', 'pandas', 'pyarrow'}"
    code = f"import sys, tidemill_gateway.app; sys.exit(bool({heavy} & set(sys.modules)))"

    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
