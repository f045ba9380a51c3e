"""TensorFlow Serving's REST API: every request below /v1/."""

import json
from collections.abc import Mapping

import orjson

from tidemill_contracts.api_keys import Role
from tidemill_gateway.edge import Reply, RestRequest
from tidemill_gateway.explaining import Explaining
from tidemill_gateway.models import Models
from tidemill_gateway.paths import Verb, read_path
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.protection.guard import caller_of


class TfServingRest:
    """The API of everything below /v1/."""

    name = "tfs"

    def __init__(self, predictions: Predictions, models: Models) -> None:
        self._predictions = predictions
        self._inferences = {
            Verb.PREDICT: predictions.predict,
            Verb.CLASSIFY: predictions.classify,
            Verb.REGRESS: predictions.regress,
            Verb.EXPLAIN: Explaining(predictions).explain,
        }
        self._models = models

    def serves(self, path: str) -> bool:
        """Say whether a path is below /v1/, in any case."""
        return path[:4].lower() == "/v1/"

    async def answer(self, request: RestRequest) -> Reply:
        """Answer a request; raises Refused."""
        verb, ref = read_path(request.method, request.path)
        call = request.call
        call.ref, call.model = ref, self._predictions.model_label(ref)
        request.admit(Role.PREDICT, ref.name or None, predicts=verb in self._inferences)
        if verb in self._inferences:
            return Reply(await self._inferences[verb](call, await request.body()))
        if verb is Verb.MODELS:
            return _document(self._models.names(caller_of(request.admission)))
        if verb is Verb.STATUS:
            return _document(await self._models.status(ref))
        return _document(await self._models.metadata(ref))

    def error_body(self, message: str) -> bytes:
        """Write an error as TensorFlow Serving prints it."""
        # Nothing but a string is given to json: with an indent it is eight times as slow.
        text = json.dumps(message, ensure_ascii=False)
        return f'{{\n    "error": {text}\n}}'.encode(errors="replace")


def _document(document: Mapping[str, object]) -> Reply:
    return Reply(orjson.dumps(document))
