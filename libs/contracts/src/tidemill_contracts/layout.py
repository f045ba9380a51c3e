"""Where everything lies in the bucket. Names are built here and nowhere else.

`<pipeline>` is a pipeline's name, `<..._id>` a content address, `<version>` a model's TF Serving version.
"""

import hashlib
import re
from datetime import UTC, datetime
from urllib.parse import quote

DROPS = "drops/"
RECORDS = "records/"
UPLOADS = "uploads/"
GRAPHS = "graphs/"
PREDICTIONS = "predictions/"
FEEDBACK = "feedback/"
SPAN_SEQUENCE = "spans"
# Spans that became the newest of a dataset version: later files are held against the last of them.
ACCEPTED_SPANS = "accepted"
DATASET_SEQUENCE = "datasets"
MODEL_SEQUENCE = "models"


FILE_NAME_BYTES = 200
FILE_NAME_CHARACTERS = 50


def is_file_name(name: str) -> bool:
    """Say whether a dropped file may have this name: visible, printable, and not too long to be kept."""
    return not name.startswith(".") and name.isprintable() and 0 < len(name.encode()) <= FILE_NAME_BYTES


def drop(pipeline: str, file_name: str) -> str:
    """Where a person drops a file for a pipeline."""
    return f"{DROPS}{pipeline}/{file_name}"


def pipeline_of_drop(object_name: str) -> str | None:
    """Name the pipeline a dropped object is for; None when the object is no drop."""
    parts = object_name.split("/")
    is_drop = len(parts) >= 3 and parts[0] == "drops" and parts[1] and parts[-1]
    return parts[1] if is_drop else None


def pipeline_spec(pipeline: str) -> str:
    """The current spec of a pipeline, as its author wrote it."""
    return f"pipelines/{pipeline}.yaml"


def pipeline_standing(pipeline: str) -> str:
    """What the controller knows of a pipeline: the last that happened to it, and its schedule."""
    return f"controller/{pipeline}.json"


def pinned_spec(pipeline: str, digest: str) -> str:
    """An immutable copy of a spec, addressed by its digest."""
    return f"specs/{pipeline}/{digest}.json"


def quarantined(pipeline: str | None, object_name: str, generation: int) -> str:
    """A refused drop, kept for its owner. Files of one name in two folders are two drops."""
    folder = hashlib.sha256(object_name.encode()).hexdigest()[:8]
    file_name = object_name.rpartition("/")[2][-FILE_NAME_CHARACTERS:]
    return f"quarantine/{pipeline or '_unknown'}/{generation}-{folder}-{file_name}"


def sequence_entry(sequence: str, pipeline: str, number: int) -> str:
    """The object that gives `number` to one content address."""
    return f"sequences/{sequence}/{pipeline}/{number:010d}"


def sequence_key(sequence: str, pipeline: str, key: str) -> str:
    """The object that holds the number of one content address."""
    return f"sequences/{sequence}/{pipeline}/keys/{key}"


def sequence_mark(sequence: str, pipeline: str) -> str:
    """The object that holds a number given lately, from which on the newest is looked for."""
    return f"sequences/{sequence}/{pipeline}/mark"


def span(pipeline: str, span_id: str, file: str) -> str:
    """A file of a span: `data.parquet`, `rejects.parquet` or `manifest.json`."""
    return f"spans/{pipeline}/{span_id}/{file}"


def span_of_drop(pipeline: str, object_name: str, generation: int) -> str:
    """The object that holds the span id of one generation of a dropped object."""
    digest = hashlib.sha256(object_name.encode()).hexdigest()[:16]
    return f"ingested/{pipeline}/{digest}-{generation}"


def dataset(pipeline: str, dataset_id: str, file: str) -> str:
    """A file of a dataset version: `train/...`, `eval/...`, `profile.json` or `manifest.json`."""
    return f"datasets/{pipeline}/{dataset_id}/{file}"


def dataset_part(side: str, span: int, row_group: int) -> str:
    """The file of a dataset version with the rows of one row group of a span that share a fate."""
    return f"{side}/{span:010d}-{row_group:05d}.parquet"


def span_of_dataset_part(file: str) -> int | None:
    """Number the span whose rows a file of a dataset version holds; None when its name does not tell."""
    found = re.fullmatch(r"[a-z]+/(\d{10})-\d{5}\.parquet", file)
    return int(found[1]) if found else None


def record_batch(pipeline: str, name: str) -> str:
    """Records that were sent one request at a time, and wait to become a drop."""
    return f"{RECORDS}{pipeline}/{name}"


def records_drop(pipeline: str, number: int, suffix: str = "") -> str:
    """The drop of one batch of records. No two batches are the same, even when they hold the same."""
    return drop(pipeline, f"records-{number:010d}{suffix}.jsonl")


def is_records_drop(object_name: str) -> bool:
    """Say whether a drop is named as a batch of records is."""
    return re.fullmatch(r"records-\d{10}(-\w+)?\.jsonl", object_name.rpartition("/")[2]) is not None


def record_landing(pipeline: str, number: int) -> str:
    """Which waiting records become one drop; its existence decides it."""
    return f"landings/{pipeline}/{number:010d}.json"


def record_key(day: str, pipeline: str, key_id: str) -> str:
    """What is known of records that were sent under an idempotency key, on one day of UTC."""
    return f"record-keys/{day}/{pipeline}/{key_id}"


def stream(pipeline: str, file: str) -> str:
    """What became of the records of a window of a stream: its report, and the records set aside."""
    return f"streams/{pipeline}/{file}"


def upload_part(pipeline: str, upload_id: str, offset: int) -> str:
    """A piece of a file whose upload is not complete."""
    return f"{UPLOADS}{pipeline}/{upload_id}/{offset:016d}"


def upload_state(pipeline: str, upload_id: str, file: str) -> str:
    """What is known of an upload: `began.json`, `landing.json` or `complete.json`."""
    return f"{UPLOADS}{pipeline}/{upload_id}/{file}"


def retraining(pipeline: str, request_id: str) -> str:
    """What a request to retrain was taken for: a spec and a span."""
    return f"retrainings/{pipeline}/{hashlib.sha256(request_id.encode()).hexdigest()[:16]}.json"


def training(pipeline: str, model_id: str) -> str:
    """The intent to train one model."""
    return f"trainings/{pipeline}/{model_id}.json"


def model_base(pipeline: str) -> str:
    """The folder TF Serving loads a model's versions from."""
    return f"models/{pipeline}"


def model_version(pipeline: str, version: int) -> str:
    """The SavedModel of one version."""
    return f"{model_base(pipeline)}/{version}"


def model_manifest(pipeline: str, model_id: str) -> str:
    """What is known of a trained model; its existence is the commit of a training."""
    return f"manifests/{pipeline}/{model_id}.json"


def model_card(pipeline: str, model_id: str, file: str) -> str:
    """A file that describes a model for people and programs: `card.html` or `card.json`."""
    return f"cards/{pipeline}/{model_id}/{file}"


def deployment(pipeline: str) -> str:
    """What serving wants of the model server for one pipeline."""
    return f"deployments/{pipeline}.json"


def observations(pipeline: str) -> str:
    """What gateways saw of the versions of one pipeline's model, while one of them is released."""
    return f"observations/{pipeline}.json"


def prediction_log(pipeline: str, hour: str, file: str) -> str:
    """Predictions that a gateway wrote down, of one hour of UTC such as `2026-01-02T03`."""
    return f"{PREDICTIONS}{quote(pipeline, safe='')}/{hour}/{file}"


def feedback(pipeline: str, hour: str, file: str) -> str:
    """Feedback on predictions, of the hour of UTC in which it came."""
    return f"{FEEDBACK}{quote(pipeline, safe='')}/{hour}/{file}"


def hour_of(milliseconds: int) -> str:
    """Name the hour of UTC of a time since 1970, as the names of predictions and feedback have it."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H")


def graph_spec(graph: str) -> str:
    """An inference graph, as its author wrote it."""
    return f"{GRAPHS}{graph}.yaml"


def graph_status(graph: str) -> str:
    """Whether serving gives a graph to gateways, and why not."""
    return f"graph-status/{graph}.json"
