"""The upload API. An uploaded file lands in the bucket, and is ingested because it landed there."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import anyio
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool

from tidemill_contracts import layout
from tidemill_contracts.pipeline import InvalidSpec, is_pipeline_name, parse_pipeline
from tidemill_ingest.errors import Refused
from tidemill_ingest.settings import Settings
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

MAX_SPEC_BYTES = 1 << 18
STATUS_BY_CODE = {"unknown-pipeline": 404, "too-large": 413}
router = APIRouter(prefix="/v1/pipelines", tags=["pipelines"])


class Stored(BaseModel):
    """Where something was stored in the bucket."""

    object_name: str
    bytes: int


def _store(request: Request) -> ObjectStore:
    store: ObjectStore = request.app.state.store
    return store


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


Store = Annotated[ObjectStore, Depends(_store)]
OurSettings = Annotated[Settings, Depends(_settings)]


@router.put("/{pipeline}", status_code=201)
async def put_pipeline(pipeline: str, request: Request, store: Store) -> Stored:
    """Create or replace a pipeline; the body is its spec in YAML or JSON."""
    text = bytearray()
    async for chunk in request.stream():
        text += chunk
        if len(text) > MAX_SPEC_BYTES:
            raise Refused("too-large", f"expected a spec of at most {MAX_SPEC_BYTES} bytes, received more")
    spec = await run_in_threadpool(parse_pipeline, bytes(text))
    if spec.name != pipeline:
        raise InvalidSpec(f"metadata.name: expected {pipeline!r} as in the path, received {spec.name!r}")
    name = layout.pipeline_spec(pipeline)
    await run_in_threadpool(store.write, name, bytes(text))
    return Stored(object_name=name, bytes=len(text))


@router.put("/{pipeline}/files/{file_name}", status_code=201)
async def put_file(
    pipeline: str, file_name: str, request: Request, store: Store, settings: OurSettings
) -> Stored:
    """Drop a file for a pipeline; the body is streamed, so its size is bounded only by the setting."""
    await run_in_threadpool(_check_pipeline, store, pipeline)
    if not layout.is_file_name(file_name):
        raise Refused(
            "file-name",
            f"expected a printable name of at most {layout.FILE_NAME_BYTES} bytes that starts with no dot, "
            f"received {file_name!r:.250}",
        )
    name = layout.drop(pipeline, file_name)
    with TemporaryDirectory(dir=settings.scratch_folder, prefix="tidemill-upload-") as folder:
        path = Path(folder) / "body"
        received = await _receive(request, path, settings.max_file_bytes)
        await run_in_threadpool(store.upload, name, path)
    return Stored(object_name=name, bytes=received)


async def _receive(request: Request, path: Path, max_bytes: int) -> int:
    received = 0
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in request.stream():
            received += await file.write(chunk)
            if received > max_bytes:
                raise Refused("too-large", f"expected at most {max_bytes} bytes, received more")
    return received


def add_api(app: FastAPI) -> None:
    """Add the routes and the one table of errors."""
    app.include_router(router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(InvalidSpec, _invalid_spec)


def _check_pipeline(store: ObjectStore, pipeline: str) -> None:
    try:
        if is_pipeline_name(pipeline):
            store.stat(layout.pipeline_spec(pipeline))
            return
    except ObjectNotFound:
        pass
    raise Refused("unknown-pipeline", f"expected the name of a pipeline that exists, received {pipeline!r}")


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    code, message = (error.code, error.message) if isinstance(error, Refused) else ("internal", str(error))
    return JSONResponse({"code": code, "error": message}, STATUS_BY_CODE.get(code, 400))


async def _invalid_spec(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"code": "invalid-spec", "error": str(error)}, 400)
