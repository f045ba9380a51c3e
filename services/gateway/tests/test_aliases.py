"""Metrics by names that dashboards know already."""

from pathlib import Path

from gateways import is_ready, running_gateway, wait_until
from prometheus_client.parser import text_string_to_metric_families
from tiny_models import ModelServer, Serving, route, running_serving

from tidemill_contracts.api_keys import ApiKeys

PREDICT = "/v1/models/half_plus_two:predict"
PAGE = "/monitoring/prometheus/metrics"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def change(before: Samples, after: Samples, name: str, **labels: str) -> float:
    key = name, tuple(sorted(labels.items()))
    return after.get(key, 0) - before.get(key, 0)


def test_requests_are_told_by_the_names_of_tensorflow_serving_and_triton(model_server: ModelServer) -> None:
    serving = Serving()
    serving.publish(route(model_server, "half_plus_two", 123))
    with (
        running_serving(serving),
        running_gateway(serving.address, alias_metrics=True) as client,
    ):
        wait_until(lambda: is_ready(client))
        before = samples(client.get(PAGE).text)
        for rows in ([1.0], [2.0], ["x"]):
            client.post(PREDICT, json={"instances": rows})
        client.post("/v1/models/guess:predict", json={"instances": [1]})
        text = client.get(PAGE).text
    after = samples(text)

    assert "# TYPE" in text
    counted = ":tensorflow:serving:request_count"
    assert change(before, after, counted, model_name="half_plus_two", status="OK") == 2
    assert change(before, after, counted, model_name="half_plus_two", status="INVALID_ARGUMENT") == 1
    assert change(before, after, counted, model_name="__unknown__", status="NOT_FOUND") == 1
    timed = {"model_name": "half_plus_two", "API": "Predict", "entrypoint": "REST"}
    assert change(before, after, ":tensorflow:serving:request_latency_count", **timed) == 2
    assert change(before, after, ":tensorflow:serving:request_latency_bucket", **timed, le="+Inf") == 2
    assert change(before, after, ":tensorflow:serving:request_latency_bucket", **timed, le="1e+07") == 2
    microseconds = change(before, after, ":tensorflow:serving:request_latency_sum", **timed)
    version = {"model": "half_plus_two", "version": "123"}
    assert change(before, after, "nv_inference_request_success", **version) == 2
    assert change(before, after, "nv_inference_request_failure", **version, reason="OTHER") == 1
    assert change(before, after, "nv_inference_request_duration_us", **version) == microseconds
    assert 50 < microseconds < 10_000_000


def test_the_page_is_not_there_unless_it_is_wanted_nor_for_everyone(tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    keys.write_text(ApiKeys().model_dump_json())

    with running_gateway("127.0.0.1:1") as client:
        without = client.get(PAGE).status_code
    with running_gateway("127.0.0.1:1", alias_metrics=True, api_keys_file=keys) as client:
        guarded = client.get(PAGE).status_code

    assert (without, guarded) == (404, 401)
