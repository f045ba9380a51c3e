"""Write the JSON Schemas of what people write, for editors and the custom resource: `make generate`."""

import json
from pathlib import Path

from tidemill_contracts.graph_spec import InferenceGraph
from tidemill_contracts.pipeline import Pipeline

FOLDER = Path(__file__).parent / "schema"
SCHEMAS = {"pipeline": Pipeline, "graph": InferenceGraph}

if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, model in SCHEMAS.items():
        text = json.dumps(model.model_json_schema(by_alias=True), indent=2) + "\n"
        (FOLDER / f"{name}.schema.json").write_text(text)
