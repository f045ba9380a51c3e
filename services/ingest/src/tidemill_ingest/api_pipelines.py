"""Pipelines over HTTP."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool

from tidemill_contracts import layout
from tidemill_contracts.pipeline import InvalidSpec, parse_pipeline
from tidemill_ingest.api_state import Store, read_body
from tidemill_ingest.api_uploads import Stored

MAX_SPEC_BYTES = 1 << 18
router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])


@router.put(
    "/{pipeline}",
    status_code=201,
    openapi_extra={
        "requestBody": {
            "content": {
                "application/yaml": {
                    "schema": {"type": "string"},
                    "example": "metadata: {name: flights}\nspec: {label: arr_delay >= 15}",
                }
            }
        }
    },
)
async def put_pipeline(pipeline: str, request: Request, store: Store) -> Stored:
    """Create or replace a pipeline; the body is its spec in YAML or JSON."""
    text = await read_body(request, MAX_SPEC_BYTES)
    spec = await run_in_threadpool(parse_pipeline, text)
    if spec.name != pipeline:
        raise InvalidSpec(f"metadata.name: expected {pipeline!r} as in the path, received {spec.name!r}")
    name = layout.pipeline_spec(pipeline)
    await run_in_threadpool(store.write, name, text)
    return Stored(object_name=name, bytes=len(text))
