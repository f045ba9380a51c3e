"""Write the pipeline spec's JSON Schema, for editors and the custom resource: `make generate`."""

import json
from pathlib import Path

from tidemill_contracts.pipeline import Pipeline

TARGET = Path(__file__).parent / "schema" / "pipeline.schema.json"

if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(Pipeline.model_json_schema(by_alias=True), indent=2) + "\n")
