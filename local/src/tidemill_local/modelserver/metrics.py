"""The series of TensorFlow Serving, by its names, so that one dashboard reads both."""

from prometheus_client import Counter, Gauge, Histogram

# TensorFlow Serving's buckets: microseconds, from 10 us by factors of 1.8 to about 20 minutes.
MICROSECONDS = tuple(10 * 1.8**exponent for exponent in range(33))
UNKNOWN_MODEL = "__unknown__"

# Requests by outcome. Rising failures: the status says whether to look at the client or at the model.
# A gauge by type, because a counter of this client library could not have this name: it would end in _total.
REQUESTS = Gauge(
    ":tensorflow:serving:request_count", "Requests by model and status.", ["model_name", "status"]
)
# Time from the request's arrival to its answer. Far above runtime latency: requests are queueing.
REQUEST_MICROSECONDS = Histogram(
    ":tensorflow:serving:request_latency",
    "Microseconds from request to answer, answered requests only.",
    ["model_name", "API", "entrypoint"],
    buckets=MICROSECONDS,
)
# Time inside TensorFlow. Rising: the model grew, batches grew, or the machine is busy.
RUNTIME_MICROSECONDS = Histogram(
    ":tensorflow:serving:runtime_latency",
    "Microseconds inside TensorFlow.",
    ["model_name", "API", "runtime"],
    buckets=MICROSECONDS,
)
# Loads by outcome. Failures come with a log line that says why.
LOADS = Counter("tidemill_modelserver_loads_total", "Version loads by outcome.", ["model_name", "outcome"])
