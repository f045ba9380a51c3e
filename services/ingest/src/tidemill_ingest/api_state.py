"""What the routes share: the bucket, the settings, and which pipelines there are."""

import time
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from tidemill_contracts import layout
from tidemill_contracts.pipeline import is_pipeline_name
from tidemill_ingest.errors import Refused
from tidemill_ingest.settings import Settings
from tidemill_runtime.objects import ObjectNotFound, ObjectStore

# A pipeline that was deleted is unknown after this long at the latest; one that was made is known at once.
KNOWN_SECONDS = 10


class KnownPipelines:
    """Checks that a pipeline exists, without asking the bucket for each of many small requests."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._seen_at: dict[str, float] = {}

    async def check(self, pipeline: str) -> None:
        """Raise Refused when there is no such pipeline."""
        if time.monotonic() - self._seen_at.get(pipeline, -KNOWN_SECONDS) < KNOWN_SECONDS:
            return
        try:
            if is_pipeline_name(pipeline):
                await run_in_threadpool(self._store.stat, layout.pipeline_spec(pipeline))
                self._seen_at[pipeline] = time.monotonic()
                return
        except ObjectNotFound:
            self._seen_at.pop(pipeline, None)
        raise Refused(
            "unknown-pipeline", f"expected the name of a pipeline that exists, received {pipeline!r}"
        )


def _store(request: Request) -> ObjectStore:
    store: ObjectStore = request.app.state.store
    return store


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _known_pipeline(pipeline: str, request: Request) -> str:
    known: KnownPipelines = request.app.state.known_pipelines
    await known.check(pipeline)
    return pipeline


Store = Annotated[ObjectStore, Depends(_store)]
OurSettings = Annotated[Settings, Depends(_settings)]
KnownPipeline = Annotated[str, Depends(_known_pipeline)]


def check_length(request: Request, max_bytes: int) -> None:
    """Raise Refused when a body announces, before it is read, that it is too large."""
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > max_bytes:
        raise Refused("too-large", f"expected at most {max_bytes} bytes, received {announced}")


async def read_body(request: Request, max_bytes: int, hold: Callable[[int], None] = lambda _: None) -> bytes:
    """Read a body that is to be in memory; raise Refused when it is larger than `max_bytes`.

    Args:
        hold: Told of every so many bytes that come; it may raise.
    """
    check_length(request, max_bytes)
    body = bytearray()
    async for chunk in request.stream():
        hold(len(chunk))
        body += chunk
        if len(body) > max_bytes:
            raise Refused("too-large", f"expected at most {max_bytes} bytes, received more")
    return bytes(body)
