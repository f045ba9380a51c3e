"""MultiInference: several classifications and regressions of the same examples, by one version."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tidemill_contracts import tfserving
from tidemill_gateway.calls import Call
from tidemill_gateway.errors import Code, Refused, invalid
from tidemill_gateway.grpc_server.model_specs import fill_resolved
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.predictions import Predictions
from tidemill_gateway.signatures import DEFAULT_SIGNATURE

_REQUESTS = {
    "tensorflow/serving/classify": ("classification_result", "ClassificationRequest"),
    "tensorflow/serving/regress": ("regression_result", "RegressionRequest"),
}


async def multi_inference(predictions: Predictions, call: Call, message: Any) -> Any:
    """Return the results of all tasks, in their order; raises Refused when one of them has none."""
    _check(message.tasks)
    first = await _result(predictions, call, message, message.tasks[0])
    # The others go to the version that answered the first, whichever version answers by then.
    pinned = ModelRef(call.ref.name, int(call.version)) if call.version else call.ref
    rest = [
        _result(predictions, replace(call, ref=pinned), message, task) for task in list(message.tasks)[1:]
    ]
    return tfserving.MultiInferenceResponse(results=[first, *await asyncio.gather(*rest)])


def _check(tasks: Sequence[Any]) -> None:
    times = Counter(map(_signature, tasks))
    if {task.model_spec.name for task in tasks} != {tasks[0].model_spec.name}:
        raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
    for task in tasks:
        if times[_signature(task)] > 1:
            raise invalid(f"Duplicate evaluation of signature: {_signature(task)}")
        if task.method_name not in _REQUESTS:
            raise Refused(Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")


async def _result(predictions: Predictions, call: Call, message: Any, task: Any) -> Any:
    field, request_name = _REQUESTS[task.method_name]
    request = getattr(tfserving, request_name)(model_spec=task.model_spec, input=message.input)
    result = tfserving.InferenceResult(**{field: await predictions.infer(call, request)})
    fill_resolved(result.model_spec, call, _signature(task))
    return result


def _signature(task: Any) -> str:
    return task.model_spec.signature_name or DEFAULT_SIGNATURE
