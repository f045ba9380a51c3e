"""The HTTP API, put together, and the one table of its errors."""

import asyncio
from weakref import WeakValueDictionary

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from tidemill_contracts.pipeline import InvalidSpec
from tidemill_ingest import api_pipelines, api_records, api_uploads
from tidemill_ingest.api_state import KnownPipelines
from tidemill_ingest.errors import Refused
from tidemill_ingest.group_commit import RecordWriter
from tidemill_ingest.pending import Overloaded, Pending
from tidemill_ingest.records import RecordReader
from tidemill_ingest.settings import Settings
from tidemill_ingest.uploads import WrongRange
from tidemill_runtime.docs import add_docs
from tidemill_runtime.objects import ObjectStore

# Any other refusal is 400: the request is wrong in itself.
STATUS_BY_CODE = {
    "unknown-pipeline": 404,
    "upload-conflict": 409,
    "key-reused": 409,
    "too-large": 413,
    "wrong-range": 416,
    "overloaded": 503,
}
CLIENT_CLOSED_REQUEST = 499


def create_app(settings: Settings, store: ObjectStore, pending: Pending) -> FastAPI:
    """Build the API; it needs nothing but the bucket."""
    app = FastAPI(title="Tidemill ingest", docs_url=None, redoc_url=None)
    add_docs(app)
    app.state.settings = settings
    app.state.store = store
    app.state.known_pipelines = KnownPipelines(store)
    app.state.record_reader = RecordReader()
    app.state.record_writer = RecordWriter(store, pending)
    # Two clients that complete one upload at once land it once.
    app.state.landing = WeakValueDictionary[str, asyncio.Lock]()
    for routes in (api_pipelines, api_uploads, api_records):
        app.include_router(routes.router)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(InvalidSpec, _invalid_spec)
    app.add_exception_handler(ClientDisconnect, _client_gone)
    return app


async def _refused(_request: Request, error: Exception) -> JSONResponse:
    code, message = (error.code, error.message) if isinstance(error, Refused) else ("internal", str(error))
    headers = {}
    match error:
        case WrongRange(received_bytes=received) if received:
            headers = {"Range": f"bytes=0-{received - 1}"}
        case Overloaded(retry_after_seconds=seconds):
            headers = {"Retry-After": str(seconds)}
    return JSONResponse({"code": code, "error": message}, STATUS_BY_CODE.get(code, 400), headers)


async def _invalid_spec(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"code": "invalid-spec", "error": str(error)}, 400)


async def _client_gone(_request: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"code": "client-gone", "error": str(error)}, CLIENT_CLOSED_REQUEST)
