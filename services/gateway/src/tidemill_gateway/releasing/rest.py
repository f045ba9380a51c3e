"""The REST API of releases: what serving says of one, and the orders to it."""

import re
from collections.abc import Awaitable
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio
import orjson
from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill_contracts.api_keys import Role
from tidemill_contracts.pb.routes_pb2 import ReleaseRequest, ReleaseState
from tidemill_contracts.pb.routes_pb2_grpc import ReleasesStub
from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.errors import Code, Refused, invalid

PREFIX = "/v1/releases/"
_PATH = re.compile(r"/v1/releases/(?P<model>[^/:]+)(?::(?P<order>promote|rollback))?")


class Order(BaseModel):
    """What may be said with an order. `version` 0: serving knows which."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(default=0, ge=0, lt=2**63)
    reason: str = Field(default="", max_length=1000)


class ReleasesRest:
    """The API below /v1/releases/: forwards to serving, which owns releases."""

    name = "releases"

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def connect(self, channel: grpc.aio.Channel) -> None:
        """Forward over this channel from now on."""
        self._releases = ReleasesStub(channel)

    def serves(self, path: str) -> bool:
        """Say whether a path is below /v1/releases/."""
        return path.startswith(PREFIX)

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request; raises Refused."""
        match = _PATH.fullmatch(request.path)
        verb = match["order"] if match else None
        if match is None or request.method != ("POST" if verb else "GET"):
            raise invalid(f"Malformed request: {request.method} {request.path}")
        model = unquote(match["model"])
        request.admit(Role.DEPLOY if verb else Role.PREDICT, model)
        if verb is None:
            return await self._state(self._releases.Get, ReleaseRequest(model=model))
        order = _order(await request.body())
        forward = self._releases.Promote if verb == "promote" else self._releases.Rollback
        return await self._state(
            forward, ReleaseRequest(model=model, version=order.version, reason=order.reason)
        )

    def error_body(self, message: str) -> bytes:
        """Write an error."""
        return orjson.dumps({"error": message})

    async def _state(self, ask: Any, request: ReleaseRequest) -> Reply:
        call: Awaitable[ReleaseState] = ask(request, timeout=self._timeout_seconds)
        try:
            return Reply(orjson.dumps(_document(await call)))
        except grpc.aio.AioRpcError as error:
            message = error.details() or ""
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                message = "Serving, which decides on releases, cannot be reached"
            raise Refused(Code(error.code().name), message) from error


def _order(body: bytes) -> Order:
    try:
        return Order.model_validate_json(body or b"{}")
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise invalid(f"Expecting version and reason, or nothing; {place}: {first['msg']}") from None


def _document(message: Message) -> dict[str, Any]:
    document = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if field.is_repeated:
            value = [_document(each) if field.message_type else each for each in value]
        document[field.name] = value
    return document
