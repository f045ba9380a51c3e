"""Every metric of the transform service."""

from prometheus_client import Counter

# Outcome: transformed, rejected. A rising share of rejected says that data or a spec changed; the reasons are
# in the `dataset.rejected` events.
DATASETS = Counter("tidemill_transform_datasets_total", "Dataset versions by outcome", ["outcome"])
# Fate: train, eval, unlabelled. A rising share of unlabelled says that a label's column is filled less often.
ROWS = Counter("tidemill_transform_rows_total", "Rows of transformed datasets by fate", ["fate"])
