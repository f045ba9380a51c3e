"""Explanations: what each feature adds to an answer, by the model's `explain` signature."""

from collections.abc import Mapping
from typing import Any

from tidemill_gateway.calls import Arrays, Call
from tidemill_gateway.documents import parse
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.predict_request import read_inputs, signature_name
from tidemill_gateway.predict_response import columns_text, row_texts
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.signatures import DEFAULT_SIGNATURE, EXPLAIN_SIGNATURE, NoSignature, Signature

# The output that is explained; all others are its explanation.
ANSWER = "answer"


class Explaining:
    """Answers requests for explanations."""

    def __init__(self, predictions: Predictions) -> None:
        self._predictions = predictions

    async def explain(self, call: Call, body: bytes) -> bytes:
        """Answer a request like one to predict with `{"predictions": ..., "explanations": ...}`.

        Of the trainer's models a prediction is the baseline and all its attributions added up: `features`
        names what each is of. Raises Refused.
        """
        document = parse(body)
        name = signature_name(document)
        name = EXPLAIN_SIGNATURE if name == DEFAULT_SIGNATURE else name

        def read(signature: Signature) -> Arrays:
            return read_inputs(document, signature).tensors

        try:
            outputs = await self._predictions.predict_tensors(call, name, read)
        except NoSignature as refusal:
            raise no_explanation(call, refusal) from refusal
        return _written(outputs, document)


def no_explanation(call: Call, refusal: NoSignature) -> Refused:
    """Make the refusal of a model that does not explain."""
    message = f'Model {call.ref.name} does not explain: it has no signature "{refusal.name}"'
    return Refused(Code.UNIMPLEMENTED, message)


def _written(outputs: Arrays, document: Mapping[str, Any]) -> bytes:
    answers = {name: array for name, array in outputs.items() if name == ANSWER}
    explanations = {name: array for name, array in outputs.items() if name != ANSWER}
    write = _rows if "instances" in document else columns_text
    return b'{"predictions":%b,"explanations":%b}' % (
        write(answers) if answers else b"null",
        write(explanations),
    )


def _rows(outputs: Arrays) -> bytes:
    first = next(iter(outputs.values()))
    texts = row_texts(outputs, len(first) if first.ndim else 0)
    if texts is None:
        raise invalid("Expected explanations with one row for each instance, received others: ask by column")
    return b"[%b]" % b",".join(texts)
