"""What a program of the user's own is given: rows as serving gets them, and what is known of them."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tidemill_contracts.manifest import LABEL_COLUMN, WEIGHT_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Profile
from tidemill_trainer.families import Examples
from tidemill_trainer.families.custom import raw_rows

WRITTEN_ROWS = 65_536


def write_files(
    folder: Path, learn: Examples, check: Examples, profile: Profile, spec: PipelineSpec, seed: int
) -> None:
    """Write `train/`, `check/`, `profile.json`, `manifest.json` and `spec.json` to an existing folder."""
    objective = learn.objective
    manifest = {
        "task": objective.task,
        "classes": objective.classes,
        "quantiles": objective.quantiles,
        "loss": objective.loss,
        "constant": objective.constant,
        "features": [feature.model_dump(mode="json") for feature in learn.plan.features],
        "seed": seed,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))
    (folder / "profile.json").write_text(profile.model_dump_json())
    (folder / "spec.json").write_text(spec.model_dump_json(by_alias=True))
    for side, examples in (("train", learn), ("check", check)):
        (folder / side).mkdir()
        _write_rows(folder / side / "rows.parquet", examples)


def _write_rows(file: Path, examples: Examples) -> None:
    writer, start = None, 0
    for columns in raw_rows(examples).batches(WRITTEN_ROWS):
        rows = slice(start, start + WRITTEN_ROWS)
        labels = examples.labels[rows]
        if examples.objective.task == "multiclass":
            labels = pa.array(examples.objective.classes).take(pa.array(labels))
        table = pa.table({**columns, LABEL_COLUMN: labels})
        if examples.weights is not None:
            table = table.append_column(WEIGHT_COLUMN, pa.array(examples.weights[rows]))
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
        start += WRITTEN_ROWS
    if writer:
        writer.close()
