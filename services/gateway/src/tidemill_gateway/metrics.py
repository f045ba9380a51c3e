"""What the gateway measures."""

from functools import cache

from prometheus_client import Counter, Gauge, Histogram

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

# Time at work of a node of an inference graph, without waiting for what it takes; a router's has its ways'.
NODE_SECONDS = Histogram(
    "tidemill_gateway_node_seconds",
    "Nodes of inference graphs, failures included",
    ["graph", "node", "code"],
    buckets=(0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)

# How well waiting requests are joined: its count is that of calls to model servers for joinable requests.
REQUESTS_PER_CALL = Histogram(
    "tidemill_gateway_requests_per_call",
    "Predict requests answered by one call of a model server",
    buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)

# What is being worked on now; asked for when metrics are.
IN_FLIGHT = Gauge("tidemill_gateway_in_flight_requests", "Predictions being made, over all protocols")

# Requests for models whose answers are kept, by outcome: hit, miss. All misses: questions never repeat, or
# the cache is too small for them.
CACHE_REQUESTS = Counter("tidemill_gateway_cache_requests_total", "Look-ups of answers", ["model", "outcome"])
CACHE_BYTES = Gauge("tidemill_gateway_cache_bytes", "Size of the answers that are kept")

# 0 while serving cannot be reached: answers go on by the last table, but deployments do not arrive.
ROUTES_CONNECTED = Gauge("tidemill_gateway_routes_connected", "Whether the stream of route tables is open")

# Outcome: logged, dropped. Every row of a request that was chosen for the prediction log is counted once,
# when it lies in the bucket or never will. A rising number of dropped ones says that the bucket does not
# answer.
LOG_ROWS = Counter("tidemill_gateway_log_rows_total", "Rows chosen for the prediction log", ["outcome"])

FEEDBACK = Counter("tidemill_gateway_feedback_total", "Feedback on single rows that lies in the bucket")

# Requests for which another version (`previous`) or the static answer (`answer`) was asked instead, by how
# that ended: a version fails, although callers may not notice.
FALLBACKS = Counter("tidemill_gateway_fallbacks_total", "Answers of fallbacks", ["model", "fallback", "code"])

# Requests that a version was spared because too many of its last ones failed.
DIVERTED = Counter("tidemill_gateway_diverted_total", "Requests sent elsewhere at once", ["model", "version"])

# Outcome: compared, failed, skipped. A shadow that skips is too slow for the traffic; nobody waits for it.
SHADOW_CALLS = Counter(
    "tidemill_gateway_shadow_calls_total", "Calls for shadow versions", ["model", "version", "outcome"]
)

# By gRPC code. While serving is away sums are kept and told later; what it refuses is lost.
REPORTS = Counter("tidemill_gateway_reports_total", "Reports of what versions did, to serving", ["code"])


def observe_request(call: Call, code: Code, seconds: float) -> None:
    """Record one finished request."""
    _request_seconds(
        call.model, call.version, call.signature, call.variant, call.protocol, call.api, code.value
    ).observe(seconds)


@cache
def _request_seconds(*labels: str) -> Histogram:
    # Looking a series up by its labels takes longer than counting; there are as many here as there.
    return REQUEST_SECONDS.labels(*labels)
