"""The models of the conformance list, served by MLServer: `mlserver_server.py REST GRPC`, ports."""

# mypy: disable-error-code="import-not-found,import-untyped,misc,no-any-return"

import asyncio
import sys

import numpy as np
from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.settings import ModelParameters
from mlserver.types import InferenceRequest, InferenceResponse, MetadataTensor, ResponseOutput
from numeric_models import MODELS, Tensor

VERSIONS = {"half_plus_two": "123"}


class Served(MLModel):
    """One model: V2 tensors in and out."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        model = MODELS[self.name]
        arrays = {
            each.name: np.array(StringCodec.decode_input(each), object)
            if each.datatype == "BYTES"
            else NumpyCodec.decode_input(each)
            for each in payload.inputs
        }
        outputs = []
        for name, array in model.run(**arrays).items():
            datatype = model.outputs[name].datatype
            values = array.ravel().tolist()
            data = [text.decode() for text in values] if datatype == "BYTES" else values
            outputs.append(ResponseOutput(name=name, shape=list(array.shape), datatype=datatype, data=data))
        return InferenceResponse(
            model_name=self.name, model_version=self.version, id=payload.id, outputs=outputs
        )


def _settings(name: str) -> ModelSettings:
    def described(tensors: dict[str, Tensor]) -> list[MetadataTensor]:
        return [
            MetadataTensor(name=tensor, datatype=each.datatype, shape=each.shape)
            for tensor, each in tensors.items()
        ]

    return ModelSettings(
        name=name,
        implementation=Served,
        inputs=described(dict(MODELS[name].inputs)),
        outputs=described(dict(MODELS[name].outputs)),
        parameters=ModelParameters(version=VERSIONS.get(name, "1")),
    )


async def _serve(rest: int, grpc: int) -> None:
    settings = Settings(
        host="127.0.0.1", http_port=rest, grpc_port=grpc, parallel_workers=0, load_models_at_startup=False,
        metrics_endpoint=None,
    )  # fmt: skip
    await MLServer(settings).start([_settings(name) for name in MODELS])


if __name__ == "__main__":
    asyncio.run(_serve(*map(int, sys.argv[1:])))
