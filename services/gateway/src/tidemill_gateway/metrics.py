"""What the gateway measures."""

from prometheus_client import Gauge, Histogram

from tidemill_gateway.calls import Call
from tidemill_gateway.errors import Code

# Time from the headers of an inference request to the end of its answer, refusals included; `code` is the
# canonical name. Names that no route or model knows are folded into one, so callers cannot add series.
REQUEST_SECONDS = Histogram(
    "tidemill_gateway_request_seconds",
    "Inference requests, failures included",
    ["model", "version", "signature", "variant", "protocol", "api", "code"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# How well waiting requests are joined: its count is that of calls to model servers for joinable requests.
REQUESTS_PER_CALL = Histogram(
    "tidemill_gateway_requests_per_call",
    "Predict requests answered by one call of a model server",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)

# 0 while serving cannot be reached: answers go on by the last table, but deployments do not arrive.
ROUTES_CONNECTED = Gauge("tidemill_gateway_routes_connected", "Whether the stream of route tables is open")


def observe_request(call: Call, code: Code, seconds: float) -> None:
    """Record one finished request."""
    REQUEST_SECONDS.labels(
        call.model, call.version, call.signature, call.variant, call.protocol, call.api, code.value
    ).observe(seconds)
