"""The Open Inference Protocol over REST: every request at and below /v2."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import orjson

from tidemill_contracts.api_keys import Role
from tidemill_gateway.bodies import UnknownEncoding
from tidemill_gateway.calls import Arrays, Call
from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.errors import Code, invalid
from tidemill_gateway.explaining import no_explanation
from tidemill_gateway.oip.descriptions import Descriptions, refuse_loading
from tidemill_gateway.oip.paths import Asked, Verb, read_path
from tidemill_gateway.oip.raw_request import raw_request
from tidemill_gateway.oip.request import InferRequest, parse_object, read_request
from tidemill_gateway.oip.response import write_response
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.protection.callers import Caller
from tidemill_gateway.protection.guard import caller_of
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, EXPLAIN_SIGNATURE, NoSignature

JSON_LENGTH = b"inference-header-content-length"


class OipRest:
    """The API of everything at and below /v2."""

    name = "oip"

    def __init__(self, predictions: Predictions, descriptions: Descriptions) -> None:
        self._predictions = predictions
        self._descriptions = descriptions

    def serves(self, path: str) -> bool:
        """Say whether a path is at or below /v2."""
        return path == "/v2" or path.startswith("/v2/")

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request; raises Refused."""
        asked = read_path(request.path)
        is_inference = asked.verb in (Verb.INFER, Verb.EXPLAIN)
        request.admit(Role.PREDICT, asked.ref.name or None, predicts=is_inference)
        if request.method != asked.method:
            body = self.error_body("Method Not Allowed")
            return Reply(body, Code.UNIMPLEMENTED, 405, headers=[(b"allow", asked.method.encode())])
        if is_inference:
            return await self._infer(request, asked)
        if asked.verb is Verb.INDEX:
            return await self._index(request)
        return await self._describe(asked, caller_of(request.admission))

    def error_body(self, message: str) -> bytes:
        """Write the body of a refusal."""
        return orjson.dumps({"error": message.encode(errors="replace").decode()})

    async def _infer(self, request: RestRequest, asked: Asked) -> Reply:
        call = request.call
        call.ref, call.model = asked.ref, self._predictions.model_label(asked.ref)
        try:
            body = await request.body()
        except UnknownEncoding as refusal:
            return Reply(self.error_body(refusal.message), refusal.code, 415)
        infer = _read(request, body)
        if infer.timeout_seconds is not None:
            now = asyncio.get_running_loop().time()
            call.deadline = min(call.deadline, now + infer.timeout_seconds)
        outputs = await self._outputs(call, infer, asked.verb)
        body, json_bytes = write_response(infer, call, outputs, allow_nan=_allows_nan(request))
        if json_bytes is None:
            return Reply(body)
        headers = [(JSON_LENGTH, str(json_bytes).encode())]
        return Reply(body, content_type=b"application/octet-stream", headers=headers)

    async def _outputs(self, call: Call, infer: InferRequest, verb: Verb) -> Arrays:
        is_explanation = verb is Verb.EXPLAIN and infer.signature == DEFAULT_SIGNATURE
        signature = EXPLAIN_SIGNATURE if is_explanation else infer.signature
        try:
            return await self._predictions.predict_tensors(call, signature, infer.read, infer.wanted)
        except NoSignature as refusal:
            raise (no_explanation(call, refusal) if is_explanation else refusal) from refusal

    async def _index(self, request: RestRequest) -> Reply:
        body = await request.body()
        if body:
            parse_object(body)
        # What is listed is ready, so a caller who asks for that alone gets the same.
        return _document(self._descriptions.index(caller_of(request.admission)))

    async def _describe(self, asked: Asked, caller: Caller) -> Reply:
        ref = asked.ref
        document: Mapping[str, Any]
        match asked.verb:
            case Verb.SERVER:
                document = self._descriptions.server()
            case Verb.LIVE:
                document = {"live": True}
            case Verb.READY:
                return _readiness(self._descriptions.unready())
            case Verb.MODEL_READY:
                await self._descriptions.check_model_ready(ref)
                document = {"name": ref.name, "ready": True}
            case Verb.MODEL:
                document = await self._descriptions.model(ref)
            case Verb.CONFIG:
                document = await self._descriptions.config(ref)
            case Verb.STATS:
                document = self._descriptions.statistics(ref, caller)
            case _:
                raise refuse_loading()
        return _document(document)


def _read(request: RestRequest, body: bytes) -> InferRequest:
    length = request.headers.get(JSON_LENGTH)
    if length is None:
        return read_request(body, None)
    if not length.isdigit() or len(length) > 18:
        text = length[:80].decode("latin-1")
        raise invalid(f"expected Inference-Header-Content-Length to be a number of bytes, received {text}")
    return raw_request(body) if int(length) == 0 else read_request(body, int(length))


def _allows_nan(request: RestRequest) -> bool:
    return parse_qs(request.query).get(b"allow_nan") == [b"true"] if request.query else False


def _readiness(unready: str) -> Reply:
    if unready:
        return Reply(orjson.dumps({"ready": False, "live": True, "error": unready}), Code.UNAVAILABLE, 503)
    # The specification's text calls the first of the two by the name of the second.
    return _document({"ready": True, "live": True})


def _document(document: Mapping[str, Any] | Sequence[Any]) -> Reply:
    return Reply(orjson.dumps(document))
