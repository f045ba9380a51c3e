"""Every metric of the transform service."""

from prometheus_client import Counter

# Outcome: transformed, rejected. A rising share of rejected says that data or a spec changed; the reasons are
# in the `dataset.rejected` events.
DATASETS = Counter("tidemill_transform_datasets_total", "Dataset versions by outcome", ["outcome"])
# Fate: train, eval, unlabelled, rejected. A rising share of unlabelled says that a label's column is filled
# less often; one of rejected, that more rows break the rules of their columns.
ROWS = Counter("tidemill_transform_rows_total", "Rows of transformed datasets by fate", ["fate"])
# What was unusual, by TensorFlow Data Validation's names; the messages are in the dataset version's report.
ANOMALIES = Counter("tidemill_transform_anomalies_total", "Anomalies found", ["type", "severity"])
