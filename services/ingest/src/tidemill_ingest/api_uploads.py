"""Files over HTTP: whole in one request, or in pieces as Cloud Storage's resumable uploads take them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from weakref import WeakValueDictionary

import anyio
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from tidemill_contracts import layout
from tidemill_ingest.api_state import KnownPipeline, OurSettings, Store, check_length
from tidemill_ingest.checksums import Checksums
from tidemill_ingest.errors import Refused
from tidemill_ingest.upload_headers import DESCRIPTION, Piece, read_checksums, read_range
from tidemill_ingest.uploads import PART_BYTES, Upload

router = APIRouter(prefix="/v1/pipelines", tags=["files"])


class Stored(BaseModel):
    """Where something was stored in the bucket."""

    object_name: str
    bytes: int


@router.put(
    "/{pipeline}/files/{file_name}",
    status_code=201,
    response_model=Stored,
    responses={
        308: {"description": "More is expected; `Range` says what was received, `bytes=0-LAST`"},
        400: {"description": "The range, the length or a checksum is wrong; the message says how"},
        409: {"description": "Other bytes were received there: another file of this name and size"},
        413: {"description": "The file is, or will be, too large"},
        416: {"description": "Bytes before this piece are missing; `Range` says what was received"},
    },
    openapi_extra=DESCRIPTION,
)
async def put_file(
    pipeline: KnownPipeline, file_name: str, request: Request, store: Store, settings: OurSettings
) -> Stored | Response:
    """Drop a file for a pipeline, whole or in pieces.

    Without `Content-Range` the body is the file. With it, the body is a piece: send pieces in order, the
    first free to be of any size; after a broken connection ask with `Content-Range: bytes */TOTAL` and an
    empty body, and go on behind the `Range` of the reply. Checksums that do not fit mean that nothing lands.
    """
    if not layout.is_file_name(file_name):
        raise Refused(
            "file-name",
            f"expected a printable name of at most {layout.FILE_NAME_BYTES} bytes that starts with no dot, "
            f"received {file_name!r:.250}",
        )
    check_length(request, settings.max_file_bytes)
    sent = read_checksums(request.headers)
    with TemporaryDirectory(dir=settings.scratch_folder, prefix="tidemill-upload-") as folder:
        if content_range := request.headers.get("content-range"):
            piece = read_range(content_range, settings.max_file_bytes)
            client_id = request.headers.get("upload-id", "")
            upload = await run_in_threadpool(Upload, store, pipeline, file_name, piece.total, client_id)
            return await _put_piece(piece, upload, request, sent, Path(folder) / "body")
        name = layout.drop(pipeline, file_name)
        received = await _receive(request, Path(folder) / "body", settings.max_file_bytes, sent)
        await run_in_threadpool(store.upload, name, Path(folder) / "body")
    return Stored(object_name=name, bytes=received)


async def _receive(request: Request, path: Path, max_bytes: int, sent: Checksums) -> int:
    received = 0
    async with await anyio.open_file(path, "wb") as file:
        async for chunk in request.stream():
            received += await file.write(chunk)
            sent.update(chunk)
            if received > max_bytes:
                raise Refused("too-large", f"expected at most {max_bytes} bytes, received more")
    if problem := sent.mismatch():
        raise Refused("checksum-mismatch", f"{problem}: nothing was kept")
    return received


async def _put_piece(
    piece: Piece, upload: Upload, request: Request, sent: Checksums, path: Path
) -> Stored | Response:
    stored = Stored(object_name=upload.object_name, bytes=upload.total_bytes)
    if sent.were_sent and not piece.is_last:
        raise Refused(
            "bad-checksum", "expected checksums of the whole file with its last piece, received one before"
        )
    if not piece.is_question and not (upload.is_complete and piece.first):
        await _take(piece, upload, request)
    if upload.received_bytes == upload.total_bytes:
        locks: WeakValueDictionary[str, asyncio.Lock] = request.app.state.landing
        async with locks.setdefault(upload.upload_id, asyncio.Lock()):
            await run_in_threadpool(upload.land, path, sent)
    if upload.is_complete:
        return stored
    received = {"Range": f"bytes=0-{upload.received_bytes - 1}"} if upload.received_bytes else {}
    return Response(status_code=308, headers=received)


async def _take(piece: Piece, upload: Upload, request: Request) -> None:
    expected = piece.end - piece.first
    announced = request.headers.get("content-length", str(expected))
    if announced != str(expected):
        raise Refused("wrong-length", f"expected the {expected} bytes of the range, received {announced}")
    if piece.first == 0:
        await run_in_threadpool(upload.begin)
    offset = piece.first
    upload.take(offset, b"")  # refuses a gap before the body is read
    async for data in _parts(request):
        if offset + len(data) > piece.end:
            raise Refused("wrong-length", f"expected the {expected} bytes of the range, received more")
        await run_in_threadpool(upload.take, offset, data)
        offset += len(data)
    if offset < piece.end:
        raise Refused(
            "wrong-length", f"expected the {expected} bytes of the range, received {offset - piece.first}"
        )


async def _parts(request: Request) -> AsyncIterator[bytes]:
    """Cut the body into parts; what came before a connection broke is one too."""
    buffer = bytearray()
    try:
        async for chunk in request.stream():
            buffer += chunk
            while len(buffer) >= PART_BYTES:
                yield bytes(buffer[:PART_BYTES])
                del buffer[:PART_BYTES]
    except ClientDisconnect:
        if buffer:
            yield bytes(buffer)
        raise
    if buffer:
        yield bytes(buffer)
