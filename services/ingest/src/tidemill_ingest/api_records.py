"""Records over HTTP: a few at a time, as they come up."""

import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from tidemill_ingest import metrics
from tidemill_ingest.api_state import KnownPipeline, OurSettings, Store, read_body
from tidemill_ingest.errors import Refused
from tidemill_ingest.group_commit import RecordWriter
from tidemill_ingest.idempotency import Claim, claim
from tidemill_ingest.records import MAX_RECORDS, RecordReader
from tidemill_ingest.segments import Sent
from tidemill_runtime.objects import ObjectStore

LINES_TYPES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
MAX_KEY_CHARACTERS = 255
router = APIRouter(prefix="/v1/pipelines", tags=["records"])

RECORD = {"type": "object", "additionalProperties": True, "example": {"carrier": "UA", "distance": 1400}}
RECORDS = {"type": "array", "items": RECORD, "maxItems": MAX_RECORDS}
DESCRIPTION: dict[str, Any] = {
    "parameters": [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "maxLength": MAX_KEY_CHARACTERS},
            "description": "Names this request; sent again under it within 24 hours, it does not count again",
            "example": "till-7/2026-01-02T03:04:05",
        }
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"oneOf": [{"type": "object", "properties": {"records": RECORDS}}, RECORDS]},
                "example": {"records": [{"carrier": "UA", "distance": 1400, "late": False}]},
            },
            "application/x-ndjson": {
                "schema": {"type": "string"},
                "example": '{"carrier": "UA", "distance": 1400}\n{"carrier": "AA", "distance": 719}\n',
            },
        },
    },
}


class Accepted(BaseModel):
    """Records that are stored and will be part of exactly one drop."""

    id: str
    records: int


@router.post(
    "/{pipeline}/records",
    status_code=202,
    openapi_extra=DESCRIPTION,
    responses={
        400: {"description": "Something is no record; the message says which, and none was stored"},
        409: {"description": "The key was used for other records"},
        503: {"description": "Too much is waiting; send the same again after `Retry-After` seconds"},
    },
)
async def post_records(
    pipeline: KnownPipeline,
    request: Request,
    store: Store,
    settings: OurSettings,
) -> Accepted:
    """Send records; the reply comes when they are durable.

    They become part of a drop `records-NUMBER.jsonl` when there are enough of them or one is old enough.
    Records sent again under the same `Idempotency-Key` within 24 hours do not count again.
    """
    reader: RecordReader = request.app.state.record_reader
    writer: RecordWriter = request.app.state.record_writer
    with writer.admit(pipeline) as hold:
        body = await read_body(request, settings.max_record_request_bytes, hold)
        lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in LINES_TYPES
        records = await run_in_threadpool(reader.read, body, lines=lines)
        content = b"".join(records)
        sent, claimed = await _sent(store, pipeline, request.headers, len(records), content)
        if claimed is None or claimed.landed is None:
            await writer.write(pipeline, sent, content)
            metrics.RECORDS.labels("accepted").inc(len(records))
    return Accepted(id=sent.key_id or uuid.uuid4().hex, records=len(records))


async def _sent(
    store: ObjectStore, pipeline: str, headers: Headers, records: int, content: bytes
) -> tuple[Sent, Claim | None]:
    key = headers.get("idempotency-key")
    if key is None:
        return Sent(records, len(content)), None
    if not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise Refused(
            "bad-key", f"expected a key of 1 to {MAX_KEY_CHARACTERS} characters, received {len(key)}"
        )
    new = Claim(digest=hashlib.sha256(content).hexdigest(), records=records)
    name, claimed = await run_in_threadpool(claim, store, pipeline, key, new, datetime.now(UTC))
    return Sent(records, len(content), name, new.digest), claimed
