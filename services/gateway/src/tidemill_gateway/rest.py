"""TensorFlow Serving's REST API: every request below /v1/."""

import json
from collections.abc import Mapping

import orjson

from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.models import Models
from tidemill_gateway.paths import Verb, read_path
from tidemill_gateway.predictions import Predictions


class TfServingRest:
    """The API of everything below /v1/."""

    name = "tfs"

    def __init__(self, predictions: Predictions, models: Models) -> None:
        self._predictions = predictions
        self._inferences = {
            Verb.PREDICT: predictions.predict,
            Verb.CLASSIFY: predictions.classify,
            Verb.REGRESS: predictions.regress,
        }
        self._models = models

    def serves(self, path: str) -> bool:
        """Say whether a path is below /v1/, in any case."""
        return path[:4].lower() == "/v1/"

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request; raises Refused."""
        verb, ref = read_path(request.method, request.path)
        if verb in self._inferences:
            call = request.call
            call.ref, call.model = ref, self._predictions.model_label(ref)
            return Reply(await self._inferences[verb](call, await request.body()))
        if verb is Verb.MODELS:
            return _document(self._models.names())
        if verb is Verb.STATUS:
            return _document(await self._models.status(ref))
        return _document(await self._models.metadata(ref))

    def error_body(self, message: str) -> bytes:
        """Write an error as TensorFlow Serving prints it."""
        text = json.dumps({"error": message}, indent=4, ensure_ascii=False)
        return text.encode(errors="replace")


def _document(document: Mapping[str, object]) -> Reply:
    return Reply(orjson.dumps(document))
