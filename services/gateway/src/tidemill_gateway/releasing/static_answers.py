"""The answer that a spec gives for when no version does, as a model server that has no other."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from tidemill_contracts import tfserving
from tidemill_contracts.observing import answer_name
from tidemill_gateway.calls import NO_HEADERS, Arrays, Headers, Metadata
from tidemill_gateway.errors import Code, Refused
from tidemill_gateway.routes import RouteBook, Target
from tidemill_gateway.signatures import ModelInfo, TensorSpec

# No host is called that.
SCHEME = "answer!"


def static_target(target: Target) -> Target:
    """Return what gives the static answer instead of a version, whose signatures it goes by."""
    return replace(target, address=f"{SCHEME}:{target.address}")


class StaticAnswers:
    """Answers with the fallback answers of the route book, in the way of ModelServers."""

    def __init__(self, book: RouteBook, describe: Callable[[Target], Awaitable[ModelInfo]]) -> None:
        self._book = book
        self._describe = describe

    async def predict(
        self,
        target: Target,
        signature: str,
        inputs: Arrays,
        *,
        timeout_seconds: float,  # noqa: ARG002 - the interface
        metadata: Metadata = (),  # noqa: ARG002
        headers: Headers = NO_HEADERS,  # noqa: ARG002
    ) -> Arrays:
        """Return the answer for every row, in the types of the signature's outputs; raises Refused."""
        outputs = (await self.describe(target)).signature(signature).outputs
        values = self._values(target)
        if values.keys() != outputs.keys():
            raise _unfit(target, f"values of {sorted(outputs)}", sorted(values))
        rows = max((len(array) for array in inputs.values() if array.ndim), default=1)
        return {name: _repeated(target, values[name], outputs[name], rows) for name in outputs}

    async def infer(
        self,
        target: Target,
        request: Any,
        *,
        timeout_seconds: float,  # noqa: ARG002 - the interface
        metadata: Metadata = (),  # noqa: ARG002
    ) -> Any:
        """Return the answer for every example; raises Refused. A number from 0 to 1 is that of `true`."""
        values = self._values(target)
        value = values[answer_name(values)]
        examples = request.input.example_list.examples or request.input.example_list_with_context.examples
        if isinstance(request, tfserving.RegressionRequest) and isinstance(value, int | float):
            return tfserving.RegressionResult(regressions=[{"value": value}] * len(examples))
        classes = _classes(value)
        if isinstance(request, tfserving.RegressionRequest) or not classes:
            raise _unfit(target, "a number or a class", value)
        return tfserving.ClassificationResult(classifications=[{"classes": classes}] * len(examples))

    async def describe(self, target: Target) -> ModelInfo:
        """Describe the version that the answer stands for; raises Refused."""
        return await self._describe(replace(target, address=target.address.removeprefix(f"{SCHEME}:")))

    async def statuses(self, address: str, model: str, version: int | None) -> list[Mapping[str, Any]]:  # noqa: ARG002
        """Return nothing: it is no version."""
        return []

    def _values(self, target: Target) -> Mapping[str, Any]:
        values = orjson.loads(self._book.route(target.model).fallback.answer or b"{}")
        if not isinstance(values, dict) or not values:
            raise _unfit(target, "an object with a value of every output", values)
        return values


def _classes(value: object) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return [{"label": value, "score": 1.0}]
    if isinstance(value, int | float) and 0 <= value <= 1:
        return [{"label": "false", "score": 1 - value}, {"label": "true", "score": value}]
    return []


def _repeated(target: Target, value: Any, spec: TensorSpec, rows: int) -> NDArray[Any]:
    if spec.dtype is None:
        raise _unfit(target, "of a type that JSON can carry", spec.type_name)
    try:
        row = np.array(_encoded(value) if spec.dtype.hasobject else value, spec.dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise _unfit(target, f"of type {spec.type_name}", value) from error
    return np.repeat(row[np.newaxis], rows, axis=0)


def _encoded(value: Any) -> Any:
    return [_encoded(each) for each in value] if isinstance(value, list) else str(value).encode()


def _unfit(target: Target, expected: str, received: object) -> Refused:
    return Refused(
        Code.UNAVAILABLE, f"Expecting the fallback answer of {target.model} to be {expected}, got {received}"
    )
