"""A model server of tiny numpy models, and a publisher of routes, both behind their real gRPC APIs."""

import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

import grpc
import numpy as np
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_contracts.pb.routes_pb2 import (
    GatewayReport,
    Graph,
    Observed,
    ReportReply,
    Route,
    RouteTable,
    WatchRequest,
)
from tidemill_contracts.pb.routes_pb2_grpc import RoutesServicer, add_RoutesServicer_to_server

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class TinyModel:
    """A model in numpy. `inputs` and `outputs` map aliases to TensorFlow types.

    A tensor has one open dimension, unless `shapes` has another for it; None: of unknown rank.
    """

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    run: Callable[[Arrays], Arrays]
    signatures: tuple[str, ...] = ("serving_default",)
    shapes: Mapping[str, tuple[int, ...] | None] = field(default_factory=dict)


def half_plus(addend: float) -> TinyModel:
    def run(inputs: Arrays) -> Arrays:
        return {"y": inputs["x"] / np.float32(2) + np.float32(addend)}

    return TinyModel({"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}, run, ("serving_default", "other"))


def flights() -> TinyModel:
    """Several inputs and outputs of several types; a carrier it never saw gets 0.5."""

    def run(inputs: Arrays) -> Arrays:
        known = np.isin(inputs["carrier"], [b"UA", b"AA"])
        late = np.where(known, inputs["distance"] / 1000, 0.5).astype(np.float32)
        return {
            "late": late,
            "carrier": inputs["carrier"],
            "raw_bytes": inputs["carrier"],
            "night": inputs["night"],
        }

    outputs = {"late": "DT_FLOAT", "carrier": "DT_STRING", "raw_bytes": "DT_STRING", "night": "DT_BOOL"}
    return TinyModel({"carrier": "DT_STRING", "distance": "DT_FLOAT", "night": "DT_BOOL"}, outputs, run)


def echo(type_name: str, shape: tuple[int, ...] | None = (-1,)) -> TinyModel:
    shapes = {"x": shape, "y": shape}
    return TinyModel({"x": type_name}, {"y": type_name}, lambda inputs: {"y": inputs["x"]}, shapes=shapes)


def explained() -> TinyModel:
    """a + 10 b + 100, which its signature `explain` explains; the other one has the same outputs."""

    def run(inputs: Arrays) -> Arrays:
        attributions = np.stack([inputs["a"], inputs["b"] * 10], axis=1)
        features = np.broadcast_to(np.array([b"a", b"b"], object), attributions.shape)
        baseline = np.full(len(attributions), 100, np.float32)
        answer = attributions.sum(axis=1) + baseline
        return {"answer": answer, "attributions": attributions, "baseline": baseline, "features": features}

    outputs = {
        "answer": "DT_FLOAT",
        "attributions": "DT_FLOAT",
        "baseline": "DT_FLOAT",
        "features": "DT_STRING",
    }
    pairs = {"attributions": (-1, 2), "features": (-1, 2)}
    signatures = ("serving_default", "explain")
    return TinyModel({"a": "DT_FLOAT", "b": "DT_FLOAT"}, outputs, run, signatures, pairs)


def answering(outputs: Arrays) -> TinyModel:
    return TinyModel({"x": "DT_FLOAT"}, dict.fromkeys(outputs, "DT_FLOAT"), lambda _: outputs)


def failing(message: str) -> TinyModel:
    def run(_inputs: Arrays) -> NoReturn:
        raise ValueError(message)

    return TinyModel({"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}, run)


def sleeping(seconds: float) -> TinyModel:
    def run(inputs: Arrays) -> Arrays:
        time.sleep(seconds)
        return {"y": inputs["x"]}

    return TinyModel({"x": "DT_FLOAT"}, {"y": "DT_FLOAT"}, run)


@dataclass
class ModelServer:
    """TensorFlow Serving's gRPC API over `models`; its state is what a test sets."""

    models: dict[tuple[str, int], TinyModel] = field(default_factory=dict)
    seen_metadata: list[tuple[str, str]] = field(default_factory=list)
    address: str = ""

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802 - the service's name
        model = self._find(request, context)
        self.seen_metadata = [(key, str(value)) for key, value in context.invocation_metadata()]
        inputs = {name: tensors.to_array(proto) for name, proto in request.inputs.items()}
        try:
            outputs = model.run(inputs)
        except ValueError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        response = tfserving.PredictResponse(model_spec=request.model_spec)
        for name, array in outputs.items():
            response.outputs[name].CopyFrom(tensors.to_proto(array))
        return response

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        values = self._sums(request, context)
        labels = ("", "both") if len(values) > 1 else ("",)
        rows = [{"classes": [{"label": label, "score": value} for label in labels]} for value in values]
        return tfserving.ClassificationResponse(result={"classifications": rows})

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        values = [{"value": value} for value in self._sums(request, context)]
        return tfserving.RegressionResponse(result={"regressions": values})

    def _sums(self, request: Any, context: grpc.ServicerContext) -> list[float]:
        """Return half the sum of each example's and the context's numbers and string lengths, plus two."""
        self._find(request, context)
        with_context = request.input.example_list_with_context
        examples = list(request.input.example_list.examples) or list(with_context.examples)
        return [2 + (_total(example) + _total(with_context.context)) / 2 for example in examples]

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        model = self._find(request, context)
        definitions = tfserving.SignatureDefMap()
        for name in model.signatures:
            definition = definitions.signature_def[name]
            definition.method_name = "tensorflow/serving/predict"
            for side, types in ((definition.inputs, model.inputs), (definition.outputs, model.outputs)):
                for alias, type_name in types.items():
                    side[alias].name = f"{alias}:0"
                    side[alias].dtype = tfserving.DataType.Value(type_name)
                    _declare(side[alias].tensor_shape, model.shapes.get(alias, (-1,)))
        response = tfserving.GetModelMetadataResponse(model_spec=request.model_spec)
        response.metadata["signature_def"].Pack(definitions)
        return response

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        spec = request.model_spec
        versions = [version for name, version in self.models if name == spec.name]
        if spec.HasField("version"):
            versions = [version for version in versions if version == spec.version.value]
            if not versions:
                context.abort(
                    grpc.StatusCode.NOT_FOUND,
                    f"Could not find version {spec.version.value} of model {spec.name}",
                )
        state = tfserving.ModelVersionStatus.State.Value("AVAILABLE")
        statuses = [{"version": version, "state": state} for version in versions]
        return tfserving.GetModelStatusResponse(model_version_status=statuses)

    def _find(self, request: Any, context: grpc.ServicerContext) -> TinyModel:
        spec = request.model_spec
        model = self.models.get((spec.name, spec.version.value))
        if model is None:
            context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"Servable not found for request: Specific({spec.name}, {spec.version.value})",
            )
        return model


def _declare(message: Any, shape: tuple[int, ...] | None) -> None:
    message.unknown_rank = shape is None
    for size in shape or ():
        message.dim.add(size=size)


def _total(example: Any) -> float:
    total = 0.0
    for feature in example.features.feature.values():
        total += sum(feature.float_list.value) + sum(feature.int64_list.value)
        total += sum(map(len, feature.bytes_list.value))
    return total


class Serving(RoutesServicer):
    """Publishes route tables as serving does: the last one at once, then every change.

    Keeps what is reported; with `reports_fail` a report is kept and then not answered, as if the connection
    had broken.
    """

    def __init__(self) -> None:
        self.address = ""
        self.reports: list[GatewayReport] = []
        self.reports_fail = False
        self._table: RouteTable | None = None
        self._watchers: list[queue.SimpleQueue[RouteTable | None]] = []

    def publish(self, *routes: Route, revision: int | None = None, graphs: Iterable[Graph] = ()) -> None:
        last = self._table.revision if self._table else 0
        number = last + 1 if revision is None else revision
        self._table = RouteTable(revision=number, routes=routes, graphs=graphs)
        for watcher in self._watchers:
            watcher.put(self._table)

    def Watch(self, request: WatchRequest, context: Any) -> Iterator[RouteTable]:  # noqa: ARG002, N802
        changes: queue.SimpleQueue[RouteTable | None] = queue.SimpleQueue()
        context.add_callback(lambda: changes.put(None))
        if self._table:
            changes.put(self._table)
        self._watchers.append(changes)
        while table := changes.get():
            yield table

    def Report(self, request: GatewayReport, context: Any) -> ReportReply:  # noqa: N802
        self.reports.append(request)
        if self.reports_fail:
            context.abort(grpc.StatusCode.UNAVAILABLE, "broken")
        return ReportReply()

    def observed(self, version: int) -> list[Observed]:
        """Return what was reported of a version, each report once."""
        reports = {(report.gateway, report.number): report for report in self.reports}
        return [each for report in reports.values() for each in report.observed if each.version == version]

    def codes(self, version: int) -> Counter[str]:
        """Sum up the reported codes of a version."""
        codes: Counter[str] = Counter()
        for each in self.observed(version):
            codes.update(each.codes)
        return codes


@contextmanager
def listening(add: Callable[[grpc.Server], None], address: str = "127.0.0.1:0") -> Iterator[str]:
    """Serve over gRPC until the block ends; yields the address."""
    options = (("grpc.so_reuseport", 0),)
    server = grpc.server(ThreadPoolExecutor(16), options=options)
    add(server)
    port = server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait(5)


@contextmanager
def running_model_server(
    models: Mapping[tuple[str, int], TinyModel], address: str = "127.0.0.1:0"
) -> Iterator[ModelServer]:
    servicer = ModelServer(dict(models))
    handlers = (
        tfserving.prediction_service_handlers(servicer),
        tfserving.model_service_handlers(servicer),
    )
    with listening(lambda server: server.add_generic_rpc_handlers(handlers), address) as servicer.address:
        yield servicer


@contextmanager
def running_serving(serving: Serving, address: str = "127.0.0.1:0") -> Iterator[Serving]:
    with listening(lambda server: add_RoutesServicer_to_server(serving, server), address) as serving.address:
        yield serving


def route(server: ModelServer, model: str, stable: int, canary: int | None = None, **fields: Any) -> Route:
    labels = {"stable": stable} | ({} if canary is None else {"canary": canary})
    return Route(
        model=model,
        address=server.address,
        stable_version=stable,
        loaded_versions=set(labels.values()),
        labels=labels,
        **fields,
    )
