"""Feedback over REST: `POST /v1/models/M:feedback`."""

import re
from urllib.parse import unquote

import orjson

from tidemill_contracts.api_keys import Role
from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.recording.feedback_items import read_feedback
from tidemill_gateway.recording.group_commit import FeedbackWriter
from tidemill_gateway.recording.prediction_ids import PredictionIds
from tidemill_gateway.routes import RouteBook

_PATH = re.compile(r"/v1/models/(?P<name>[^/:]+):feedback", re.IGNORECASE)


class FeedbackRest:
    """The API of feedback. A reply with 200 promises that the feedback is durable, and counts once."""

    name = "feedback"

    def __init__(self, book: RouteBook, ids: PredictionIds | None, writer: FeedbackWriter | None) -> None:
        """Serve; without ids and a writer, which need a key and a bucket, every request is refused."""
        self._book = book
        self._ids = ids
        self._writer = writer

    def serves(self, path: str) -> bool:
        """Say whether a path ends as those of feedback do."""
        return path.endswith(":feedback")

    async def answer(self, request: RestRequest) -> Reply:
        """Store feedback; raises Refused."""
        match = _PATH.fullmatch(request.path)
        if match is None or request.method != "POST":
            raise invalid(f"Malformed request: {request.method} {request.path}")
        model, call = unquote(match["name"]), request.call
        request.admit(Role.FEEDBACK, model)
        if model in self._book:
            call.model = model
        if self._ids is None or self._writer is None:
            raise Refused(Code.UNIMPLEMENTED, "This gateway has no bucket and key, and so takes no feedback")
        said = read_feedback(await request.body(), model, self._ids)
        lines = [each.model_dump_json(exclude_none=True).encode() + b"\n" for each in said]
        await self._writer.write(model, lines, call.deadline)
        return Reply(orjson.dumps({"stored": len(said)}))

    def error_body(self, message: str) -> bytes:
        """Write an error as the rest of the API does."""
        return orjson.dumps({"error": message})
