"""A model server in memory, behind the real gRPC API: what TF Serving promises, without TensorFlow.

As in TF Serving, a configuration replaces all of the last one, and a label may only name a loaded version. As
there, a configuration is answered, and the next one looked at, when each model of a new name has a version:
also when the one who asked is gone.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np

from tidemill_contracts import tfserving
from tidemill_contracts.tensors import to_array, to_proto

States = tfserving.ModelVersionStatus.State
Predict = Callable[[Any], Any]


class FakeModelServer:
    """Serves the functions given to `models` for the versions it is configured to load."""

    def __init__(self) -> None:
        self.models: dict[tuple[str, int], Predict] = {}
        self.versions: dict[str, set[int]] = {}
        self.labels: dict[str, dict[str, int]] = {}
        self.reloads = 0
        # Of these, how many are not answered yet.
        self.reloading = 0
        # How often the state of each model was asked for.
        self.asked: Counter[str] = Counter()
        self.refuse_next = False
        # How often a version is still called ended, as after it was unloaded, before it is there.
        self.still_ended: dict[tuple[str, int], int] = {}
        # What goes on loading until it is taken from here.
        self.loading: set[tuple[str, int]] = set()
        # What every question for a model's state is answered with.
        self.fails_with: grpc.StatusCode | None = None
        self._is_stopped = False
        self._configuring = threading.Lock()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers(
            (tfserving.prediction_service_handlers(self), tfserving.model_service_handlers(self))
        )
        self.port = self._server.add_insecure_port("127.0.0.1:0")

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._is_stopped = True
        self._server.stop(0).wait()

    def forget(self) -> None:
        """Be as after a restart: no configuration."""
        self.versions, self.labels = {}, {}

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.reloads += 1
        self.reloading += 1
        try:
            with self._configuring:
                self._configure(request.config.model_config_list.config, context)
        finally:
            self.reloading -= 1
        return tfserving.ReloadConfigResponse()

    def _configure(self, configs: Any, context: grpc.ServicerContext) -> None:
        if self.refuse_next:
            self.refuse_next = False
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "refused as a whole")
        for config in configs:
            known = self._available(config.name)
            for label, version in config.version_labels.items():
                if version not in known:
                    context.abort(
                        grpc.StatusCode.FAILED_PRECONDITION, f"label {label} to unavailable {version}"
                    )
        before = self.versions.keys()
        self.versions = {
            config.name: set(config.model_version_policy.specific.versions) for config in configs
        }
        self.labels = {config.name: dict(config.version_labels) for config in configs}
        self._finish_loading(self.versions.keys() - before)

    def GetModelStatus(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        name = request.model_spec.name
        self.asked[name] += 1
        if self.fails_with is not None:
            context.abort(self.fails_with, "out of order")
        if name not in self.versions:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Could not find any versions of model {name}")
        available = {version for version in self._available(name) if not self._is_late(name, version)}
        unavailable = {
            each: "LOADING" if (name, each) in self.loading else "END" for each in self.versions[name]
        }
        states = {**unavailable, **dict.fromkeys(available, "AVAILABLE")}
        statuses = [
            tfserving.ModelVersionStatus(
                version=version,
                state=States.Value(state),
                status={}
                if (name, version) in self.models
                else {"error_code": 3, "error_message": "corrupt"},
            )
            for version, state in states.items()
        ]
        return tfserving.GetModelStatusResponse(model_version_status=statuses)

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        name, version = request.model_spec.name, request.model_spec.version.value
        if version not in self._available(name):
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Specific({name}, {version})"
            )
        output = self.models[name, version](to_array(request.inputs["x"]))
        return tfserving.PredictResponse(outputs={"y": to_proto(np.asarray(output, np.float32))})

    def _is_late(self, name: str, version: int) -> bool:
        looks = self.still_ended.get((name, version), 0)
        self.still_ended[name, version] = max(0, looks - 1)
        return looks > 0

    def _available(self, name: str) -> set[int]:
        there = self.models.keys() - self.loading
        return {version for version in self.versions.get(name, set()) if (name, version) in there}

    def _finish_loading(self, new: Iterable[str]) -> None:
        for name in new:
            loading = {(name, version) for version in self.versions[name]}
            while not self._is_stopped and not self._available(name) and loading & self.loading:
                time.sleep(0.01)
