"""The models of the conformance list, served by KServe: `kserve_server.py REST GRPC`, ports."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-any-return"

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from kserve import InferOutput, InferRequest, InferResponse, Model, ModelServer
from numeric_models import MODELS, TYPES


class Served(Model):
    """One model: V1 rows of its only input, V2 tensors of all."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._run: Callable[..., dict[str, Any]] = MODELS[name].run
        self._inputs = MODELS[name].inputs
        self._outputs = MODELS[name].outputs
        self.ready = True

    async def get_input_types(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
            for name, tensor in self._inputs.items()
        ]

    async def get_output_types(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "datatype": tensor.datatype, "shape": tensor.shape}
            for name, tensor in self._outputs.items()
        ]

    def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:  # noqa: ARG002
        if isinstance(payload, InferRequest):
            arrays = {each.name: each.as_numpy() for each in payload.inputs}
            return self._response(payload, self._run(**arrays))
        (name,) = self._inputs
        rows = np.array(payload["instances"], TYPES[self._inputs[name].datatype])
        (values,) = self._run(**{name: rows}).values()
        return {"predictions": values.tolist()}

    def explain(self, payload: Any, headers: Any = None) -> Any:  # noqa: ARG002
        return {"explanations": [{"x": value / 2} for value in payload["instances"]]}

    def _response(self, payload: InferRequest, arrays: dict[str, Any]) -> InferResponse:
        outputs = []
        for name, array in arrays.items():
            outputs.append(InferOutput(name, list(array.shape), self._outputs[name].datatype, data=array))
            if payload.from_grpc:
                outputs[-1].set_data_from_numpy(array, binary_data=payload.use_binary_outputs)
        return InferResponse(
            response_id=payload.id or "0",
            model_name=self.name,
            infer_outputs=outputs,
            use_binary_outputs=payload.use_binary_outputs,
            requested_outputs=payload.request_outputs,
        )


if __name__ == "__main__":
    rest, grpc = map(int, sys.argv[1:])
    ModelServer(http_port=rest, grpc_port=grpc, workers=1).start([Served(name) for name in MODELS])
