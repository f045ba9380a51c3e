"""What was measured, on one machine with 2 cores, and where. What was not is in `guessed`."""

from dataclasses import dataclass

from tidemill_scale.gateway import Costs

# bench/transform/README.md, flights x 10: ingest takes 2.7 s and 3.5 s of a core, the pass 2.8 s and 4.1 s.
FLIGHTS_BYTES = 10 * 31_053_850
INGEST_BYTES_PER_SECOND = FLIGHTS_BYTES / 2.7
INGEST_BYTES_PER_CORE_SECOND = FLIGHTS_BYTES / 3.5
PASS_BYTES_PER_SECOND = FLIGHTS_BYTES / 2.8
PASS_BYTES_PER_CORE_SECOND = FLIGHTS_BYTES / 4.1
# A month of them as Parquet, by ingest: 438,000 bytes of 2,481,495.
PARQUET_SHARE = 0.18


@dataclass(frozen=True)
class Closed:
    """A run of `bench/serving`: so many connections that ask one row again at once, all on one core.

    `core_us` are microseconds of a core for a request; `requests_per_call` were counted by the gateway.
    """

    connections: int
    per_second: float
    p50_ms: float
    core_us: float
    requests_per_call: float


# bench/serving/README.md, means of two quiet runs; requests for each call from a run of 2026-11-22.
QUIET = (
    Closed(1, 1_403, 0.69, 684, 1.0),
    Closed(16, 7_898, 1.9, 124.5, 7.4),
    Closed(64, 16_256, 3.8, 61, 31.6),
)
# 2026-11-22: core microseconds a request, of the gateway and the model server.
SPLIT_US = {1: (407, 344), 16: (95, 48), 64: (55, 16)}


def fitted(one: Closed, many: Closed) -> Costs:
    """Fit what a request and what a call cost to two runs; the split run tells whose cost it is."""
    share = 1 / one.requests_per_call - 1 / many.requests_per_call
    call_us = (one.core_us - many.core_us) / share
    request_us = many.core_us - call_us / many.requests_per_call
    (gateway_one, model_one), (gateway_many, model_many) = (
        SPLIT_US[one.connections],
        SPLIT_US[many.connections],
    )
    gateway_call, model_call = (gateway_one - gateway_many) / share, (model_one - model_many) / share
    gateway_request = gateway_many - gateway_call / many.requests_per_call
    model_request = model_many - model_call / many.requests_per_call
    of_calls = gateway_call / (gateway_call + model_call)
    of_requests = gateway_request / (gateway_request + model_request)
    return Costs(
        gateway_request=1e-6 * request_us * of_requests,
        gateway_call=1e-6 * call_us * of_calls,
        model_request=1e-6 * request_us * (1 - of_requests),
        model_call=1e-6 * call_us * (1 - of_calls),
    )


COSTS = fitted(QUIET[0], QUIET[2])
GATEWAY_SECONDS = (COSTS.gateway_request, COSTS.gateway_call)
MODEL_SECONDS = (COSTS.model_request, COSTS.model_call)

# tidemill_scale.one_drop, of ingest and transform together, however many spans there are.
INGEST_WRITES, INGEST_READS, INGEST_PAGES = 7, 16, 3
WRITES_PER_DROP = INGEST_WRITES + 9
READS_PER_DROP = INGEST_READS + 19
PAGES_PER_DROP = INGEST_PAGES + 2
# Written by the pass for each span of the window that has one row group: rows to train and to evaluate.
PARTS_PER_SPAN = 2

# tidemill_scale.reports: 269 us for a report of 10 models, both cores busy with other work.
REPORTS_PER_CORE_SECOND = 1 / 269e-6
# tidemill_scale.slow_bucket: numbers of one pipeline, where two writes to a name must be a second apart.
NUMBERS_PER_SECOND = 0.85

# The README's demo: one training with `budget: fast`.
EVENTS_PER_TRAINING = 11
# Intent, launch, environment, trials, candidates, verdict, card and the files of a SavedModel.
WRITES_PER_TRAINING = 40
