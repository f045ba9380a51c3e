"""Metrics by the names of TensorFlow Serving and Triton, for dashboards and alerts that know those.

They are computed from our own histogram when they are asked for, and cost requests nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Histogram, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tidemill_contracts.api_keys import Role
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.protection.guard import Guard
from tidemill_gateway.protection.refusals import refusal_headers

_MICROSECONDS = 1_000_000
_REASONS = {
    Code.UNAVAILABLE: "REJECTED",
    Code.RESOURCE_EXHAUSTED: "REJECTED",
    Code.CANCELLED: "CANCELED",
    Code.INTERNAL: "BACKEND",
    Code.UNKNOWN: "BACKEND",
    Code.DATA_LOSS: "BACKEND",
    Code.DEADLINE_EXCEEDED: "BACKEND",
}

Labels = tuple[tuple[str, str], ...]


class Sums:
    """Values by name and labels, in the order in which they came."""

    def __init__(self) -> None:
        self._metrics: dict[str, dict[tuple[str, Labels], float]] = defaultdict(lambda: defaultdict(float))

    def add(self, metric: str, labels: Mapping[str, str], value: float, suffix: str = "") -> None:
        """Add to what the series has."""
        self._metrics[metric][metric + suffix, tuple(labels.items())] += value

    def metrics(self) -> Iterator[Metric]:
        """Yield them as Prometheus wants them."""
        for name, values in self._metrics.items():
            # A counter of this library ends in _total, and these names do not.
            metric = Metric(name, _HELP[name], "histogram" if name == _TF_LATENCY else "unknown")
            for (sample, labels), value in values.items():
                metric.add_sample(sample, dict(labels), value)
            yield metric


_TF_COUNT = ":tensorflow:serving:request_count"
_TF_LATENCY = ":tensorflow:serving:request_latency"
_NV_SUCCESS = "nv_inference_request_success"
_NV_FAILURE = "nv_inference_request_failure"
_NV_DURATION = "nv_inference_request_duration_us"
_HELP = {
    _TF_COUNT: "Requests by model and status",
    _TF_LATENCY: "Microseconds of requests that were answered",
    _NV_SUCCESS: "Inference requests that were answered",
    _NV_FAILURE: "Inference requests that were not answered",
    _NV_DURATION: "Microseconds of requests that were answered",
}


class AliasCollector(Collector):
    """Says what `requests`, our histogram of requests, says, by other names."""

    def __init__(self, requests: Histogram) -> None:
        self._requests = requests

    def describe(self) -> Iterable[Metric]:
        """Claim no names: they are a model server's own where one runs in the same process."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as of now."""
        sums = Sums()
        for sample in (sample for metric in self._requests.collect() for sample in metric.samples):
            part = sample.name.rpartition("_")[2]
            if part == "count":
                _count(sums, sample.labels, sample.value)
            if sample.labels["code"] == Code.OK and part in {"bucket", "sum", "count"}:
                _time(sums, part, sample.labels, sample.value)
        return sums.metrics()


def _count(sums: Sums, labels: Mapping[str, str], value: float) -> None:
    code = labels["code"]
    sums.add(_TF_COUNT, {"model_name": labels["model"], "status": code}, value)
    version = {"model": labels["model"], "version": labels["version"]}
    if code == Code.OK:
        sums.add(_NV_SUCCESS, version, value)
    else:
        sums.add(_NV_FAILURE, {**version, "reason": _REASONS.get(Code(code), "OTHER")}, value)


def _time(sums: Sums, part: str, labels: Mapping[str, str], value: float) -> None:
    who = {"model_name": labels["model"], "API": "Predict", "entrypoint": labels["protocol"].upper()}
    if part == "bucket":
        bound = float(labels["le"]) * _MICROSECONDS
        sums.add(
            _TF_LATENCY, {**who, "le": "+Inf" if bound == float("inf") else f"{bound:g}"}, value, "_bucket"
        )
    elif part == "count":
        sums.add(_TF_LATENCY, who, value, "_count")
    else:
        sums.add(_TF_LATENCY, who, value * _MICROSECONDS, "_sum")
        version = {"model": labels["model"], "version": labels["version"]}
        sums.add(_NV_DURATION, version, value * _MICROSECONDS)


@contextmanager
def aliased(requests: Histogram) -> Iterator[None]:
    """Tell the aliases of `requests` wherever metrics are told, while the block runs."""
    collector = AliasCollector(requests)
    REGISTRY.register(collector)
    try:
        yield
    finally:
        REGISTRY.unregister(collector)


def add_page(app: FastAPI, guard: Guard) -> None:
    """Tell metrics where TensorFlow Serving does; with callers known, to administrators alone."""

    @app.get("/monitoring/prometheus/metrics", tags=["probes"])
    async def metrics(request: Request) -> Response:
        """Answer with all metrics, in Prometheus' text format."""
        given = request.headers
        try:
            guard.admit(lambda name: _bytes(given.get(name.decode())), Role.ADMIN)
        except Refused as refusal:
            status = 401 if refusal.code is Code.UNAUTHENTICATED else 403
            headers = {name.decode(): value.decode() for name, value in refusal_headers(refusal)}
            return JSONResponse({"error": refusal.message}, status, headers)
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("latin-1")
