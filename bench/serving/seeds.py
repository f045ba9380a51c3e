"""Requests that are right, of every API: what fuzzing begins with, and a soak sends as they are."""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tidemill_contracts import oip, tensors, tfserving

V1, V2 = "/v1/models/", "/v2/models/"
PREDICTION = "/tensorflow.serving.PredictionService/"
MODELS = "/tensorflow.serving.ModelService/"
INFERENCE = "/inference.GRPCInferenceService/"


@dataclass(frozen=True)
class RestSeed:
    """One REST request."""

    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"


@dataclass(frozen=True)
class GrpcSeed:
    """One gRPC request."""

    method: str
    message: bytes


def rest_seeds() -> list[RestSeed]:
    """Return requests of the REST APIs, JSON and binary, for the models of the conformance list."""
    bodies = {
        f"{V1}half_plus_two:predict": {"instances": [2.0, 3.0, {"x": 4.0}][:2]},
        f"{V1}half_plus_two/versions/123:predict": {
            "inputs": {"x": [1, 2]},
            "signature_name": "serving_default",
        },
        f"{V1}half_plus_two/labels/stable:predict": {"instances": [{"x": 1.5}]},
        f"{V1}half_plus_two:explain": {"instances": [2.0]},
        f"{V1}half_plus_two:classify": {"signature_name": "classify_x_to_y", "examples": [{"x": 2.0}]},
        f"{V1}half_plus_two:regress": {
            "signature_name": "regress_x_to_y",
            "context": {"c": ["a", {"b64": "YQ=="}]},
            "examples": [{"x": 2.0}],
        },
        f"{V1}pair:predict": {"instances": [{"a": [1.0, 2.0], "b": 3}]},
        f"{V1}text:predict": {"instances": ["Ada", {"b64": "Wm/Dqw=="}]},
        f"{V1}not_a_number:predict": {"inputs": [0.0, 1.0]},
        f"{V2}half_plus_two/infer": {"id": "1", "inputs": [_tensor("x", "FP32", [2], [1.0, 2.0])]},
        f"{V2}pair/versions/1/infer": {
            "parameters": {"timeout": 1_000_000, "binary_data_output": False},
            "inputs": [_tensor("a", "FP32", [1, 2], [[1, 2]]), _tensor("b", "INT64", [1], [3])],
            "outputs": [{"name": "sum", "parameters": {"binary_data": True}}],
        },
        f"{V2}text/infer": {"inputs": [_tensor("name", "BYTES", [2], ["Ada", "Zoë"])]},
        f"{V2}not_a_number/infer?allow_nan=true": {"inputs": [_tensor("x", "FP32", [1], [0])]},
        "/v2/repository/index": {"ready": True},
    }
    posts = [RestSeed(path, json.dumps(body).encode()) for path, body in bodies.items()]
    return [*posts, *_binary_seeds(), *(RestSeed(path, method="GET") for path in _pages())]


def grpc_seeds() -> list[GrpcSeed]:
    """Return requests of every gRPC method that takes more than a name."""
    spec = {"name": "half_plus_two", "signature_name": "serving_default"}
    predict = tfserving.PredictRequest(model_spec=spec, output_filter=["y"])
    predict.inputs["x"].CopyFrom(tensors.to_proto(np.array([2, 3], np.float32)))
    examples = tfserving.Input(example_list={"examples": [{}]})
    feature = examples.example_list.examples[0].features.feature["x"]
    feature.float_list.value.append(2.0)
    classify = tfserving.ClassificationRequest(
        model_spec={"name": "half_plus_two", "signature_name": "classify_x_to_y"}, input=examples
    )
    metadata = tfserving.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
    typed = oip.ModelInferRequest(model_name="half_plus_two", id="1")
    typed.inputs.add(name="x", datatype="FP32", shape=[2]).contents.fp32_contents.extend([1.0, 2.0])
    raw = oip.ModelInferRequest(model_name="text", raw_input_contents=[struct.pack("<I", 3) + b"Ada"])
    raw.inputs.add(name="name", datatype="BYTES", shape=[1])
    messages = {
        f"{PREDICTION}Predict": predict,
        f"{PREDICTION}Classify": classify,
        f"{PREDICTION}GetModelMetadata": metadata,
        f"{MODELS}GetModelStatus": tfserving.GetModelStatusRequest(model_spec=spec),
        f"{INFERENCE}ModelInfer": typed,
        f"{INFERENCE}ModelMetadata": oip.ModelMetadataRequest(name="pair", version="1"),
        f"{INFERENCE}ModelReady": oip.ModelReadyRequest(name="pair"),
    }
    seeds = [GrpcSeed(method, message.SerializeToString()) for method, message in messages.items()]
    return [*seeds, GrpcSeed(f"{INFERENCE}ModelInfer", raw.SerializeToString())]


def _tensor(name: str, datatype: str, shape: list[int], data: list[object]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _binary_seeds() -> list[RestSeed]:
    numbers, texts = struct.pack("<3f", 2, 3, 4), struct.pack("<I", 3) + b"Ada"
    seeds = []
    for model, name, datatype, shape, blob in (
        ("half_plus_two", "x", "FP32", [3], numbers),
        ("text", "name", "BYTES", [1], texts),
    ):
        tensor = {
            "name": name, "datatype": datatype, "shape": shape, "parameters": {"binary_data_size": len(blob)},
        }  # fmt: skip
        header = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
        headers = {"Inference-Header-Content-Length": str(len(header))}
        seeds.append(RestSeed(f"{V2}{model}/infer", header + blob, headers))
    raw = {"Inference-Header-Content-Length": "0"}
    return [*seeds, RestSeed(f"{V2}half_plus_two/infer", numbers, raw)]


def _pages() -> list[str]:
    return [
        "/v1/models",
        f"{V1}half_plus_two",
        f"{V1}pair/metadata",
        f"{V1}text/openapi.json",
        f"{V2}pair",
        f"{V2}pair/ready",
        f"{V2}pair/config",
        f"{V2}pair/stats",
        f"{V2}pair/openapi.json",
        "/v2",
        "/v2/health/ready",
    ]
