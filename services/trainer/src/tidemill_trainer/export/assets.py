"""What people and programs want to know of a model, in `assets`: its schema, and its vocabularies.

assets/schema.json            features, their kinds, and how they are written; the task and its classes
assets/vocabulary_N_NAME.txt  a text per line, the most frequent first; backslash and line ends escaped
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tidemill_contracts.profile import Profile
from tidemill_trainer.data import NUMBER, dtype_of
from tidemill_trainer.export.examples import list_kinds
from tidemill_trainer.families import Trained
from tidemill_trainer.preprocessing.plan import SEPARATOR, Category

SCHEMA_FILE = "assets/schema.json"


def write_assets(folder: Path, trained: Trained, profile: Profile) -> None:
    """Add the files to a SavedModel."""
    (folder / "assets").mkdir(exist_ok=True)
    files = {
        category.columns: _write_vocabulary(folder, index, category)
        for index, category in enumerate(trained.plan.categories)
    }
    schema = json.dumps(_schema(trained, profile, files), ensure_ascii=False, indent=2)
    (folder / SCHEMA_FILE).write_text(schema, "utf-8")


def _write_vocabulary(folder: Path, index: int, category: Category) -> str:
    slug = re.sub(r"[^A-Za-z0-9]+", "_", "_x_".join(category.columns))[:60]
    name = f"vocabulary_{index}_{slug}.txt"
    lines = [
        text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace(SEPARATOR, "\\t")
        for text in category.vocabulary
    ]
    (folder / "assets" / name).write_text("".join(f"{line}\n" for line in lines), "utf-8", newline="\n")
    return name


def _schema(trained: Trained, profile: Profile, files: Mapping[tuple[str, ...], str]) -> Mapping[str, Any]:
    objective, features = trained.objective, trained.plan.features
    kinds = list_kinds(features, profile)
    return {
        "task": objective.task,
        "classes": objective.classes,
        "quantiles": objective.quantiles,
        "family": trained.family,
        "features": [
            {
                "name": feature.name,
                "kind": feature.kind,
                "type": profile.column(feature.name).type,
                "tensor": "float32" if dtype_of(feature) == NUMBER else "string",
                "missing": "NaN" if dtype_of(feature) == NUMBER else "",
                "example": kinds[feature.name],
                "options": feature.options.model_dump(by_alias=True, exclude_defaults=True),
                "vocabulary": files.get((feature.name,)),
            }
            for feature in features
        ],
        "crosses": [
            {"columns": columns, "vocabulary": file} for columns, file in files.items() if len(columns) > 1
        ],
    }
