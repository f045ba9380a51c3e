"""Every metric of the controller."""

from prometheus_client import Counter, Gauge, Histogram

# State: accepted, refused, deleting, failing. Refused is a spec that is not valid: the one before it stays in
# force. Failing is a look that went wrong: the log has the reason, and it is looked at again later.
PIPELINES = Gauge("tidemill_controller_pipelines", "Declared pipelines by state", ["state"])

# Outcome of a look at one pipeline that failed: the log has the reason, and it is looked at again later.
FAILURES = Counter("tidemill_controller_failures_total", "Looks at a pipeline that failed")
LOOK_SECONDS = Histogram(
    "tidemill_controller_look_seconds",
    "Time of one look at every pipeline",
    buckets=(0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120),
)

RETRAININGS = Counter("tidemill_controller_retrainings_total", "Retrainings asked for by schedules")
DELETIONS = Counter("tidemill_controller_deletions_total", "Pipelines whose deletion was told")

# Kind: status, event, finalizer. Outcome: written, refused. A rising number of refused ones says that rights
# are missing, or that the API server is overloaded.
WRITES = Counter("tidemill_controller_kubernetes_writes_total", "Calls that change", ["kind", "outcome"])
# Reason: expired (normal now and then), failed.
RELISTS = Counter("tidemill_controller_kubernetes_relists_total", "Watches begun anew", ["reason"])
