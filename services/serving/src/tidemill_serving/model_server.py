"""TF Serving, driven over its own gRPC API. The one place that knows its messages."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc

from tidemill_contracts import tfserving
from tidemill_contracts.golden import mismatch, to_request
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_runtime.logs import get_logger
from tidemill_serving.errors import ModelServerAway, ModelServerBusy, Unservable

CALL_SECONDS = 10
POLL_SECONDS = 0.05
# A restarted model server is to be found at once: it has lost its models, and clients are waiting.
RECONNECT = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000))
AVAILABLE = "AVAILABLE"
LOAD_FAILED = "load-failed"
AWAY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}

# The state and error text of each known version of a model.
States = Mapping[int, tuple[str, str]]


@dataclass(frozen=True)
class ModelConfig:
    """What the model server should load of one model, from where, under which labels."""

    name: str
    base_path: str
    versions: tuple[int, ...]
    labels: Mapping[str, int]


class ModelServer:
    """A client of PredictionService and ModelService. Raises ModelServerAway when nobody answers."""

    def __init__(self, address: str, *, load_timeout_seconds: float) -> None:
        self.address = address
        self.load_timeout_seconds = load_timeout_seconds
        self._channel = grpc.insecure_channel(address, options=RECONNECT)
        self._models = tfserving.ModelServiceStub(self._channel)
        self._predictions = tfserving.PredictionServiceStub(self._channel)
        # None while it is not known whether the last one was taken.
        self._told: Sequence[ModelConfig] | None = ()

    def close(self) -> None:
        self._channel.close()

    def check(self) -> None:
        """Raise ModelServerAway unless the server answers."""
        self.states("tidemill-readiness-probe")

    def configure(self, configs: Sequence[ModelConfig]) -> None:
        """Replace the whole configuration; what is no longer named is unloaded.

        Returns before or after the models are loaded. TF Serving refuses a configuration as a whole (a label
        to a version that went away, for example); it keeps the last one then, and is told again later.
        Raises ModelServerBusy when it takes longer than a model has time to load.
        """
        models = [_config_message(config) for config in configs]
        request = tfserving.ReloadConfigRequest(config={"model_config_list": {"config": models}})
        self._told = None
        try:
            _ask(self._models.HandleReloadConfigRequest, request, self.load_timeout_seconds)
        except grpc.RpcError as error:
            if self._is_slow(error):
                raise ModelServerBusy(
                    f"expected a reload within {self.load_timeout_seconds:g} s, it goes on"
                ) from error
            get_logger().warning("model-server-refused", code=error.code().name, error=error.details())
        else:
            self._told = configs

    def took(self, configs: Sequence[ModelConfig]) -> bool:
        """Say whether this is the configuration that the server took last; at first that is none."""
        return self._told is not None and list(self._told) == list(configs)

    def states(self, model: str) -> States:
        """Return what became of each version of a model; nothing for an unknown model."""
        request = tfserving.GetModelStatusRequest(model_spec={"name": model})
        try:
            reply = _ask(self._models.GetModelStatus, request, CALL_SECONDS)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return {}
            raise _away(error) from error
        return {
            status.version: (_state_name(status.state), status.status.error_message)
            for status in reply.model_version_status
        }

    def await_available(self, model: str, version: int) -> None:
        """Wait until a version can answer; raise Unservable when it ended or takes too long."""
        deadline = time.monotonic() + self.load_timeout_seconds
        state, error = "", ""
        while time.monotonic() < deadline:
            state, error = self.states(model).get(version, ("not yet known", ""))
            if state == AVAILABLE:
                return
            if has_failed(state, error):
                break
            time.sleep(POLL_SECONDS)
        raise Unservable(
            LOAD_FAILED,
            f"expected {model} version {version} AVAILABLE, received {state}: {error or 'no error'}",
        )

    def verify(self, model: str, version: int, golden: GoldenPredictions) -> None:
        """Ask the golden rows; raise Unservable unless the answers are those given in training.

        Raises ModelServerBusy when the server has lost the version meanwhile, as by a restart.
        """
        request = to_request(model, version, golden)
        try:
            reply = _ask(self._predictions.Predict, request, CALL_SECONDS)
        except grpc.RpcError as error:
            late = f" after {CALL_SECONDS} s" if self._is_slow(error) else ""
            if version not in available(self.states(model)):
                raise ModelServerBusy(f"expected {model} version {version} to stay, it did not") from error
            raise Unservable(
                "predict-failed", f"expected golden predictions, received {error.details()}{late}"
            ) from error
        if difference := mismatch(golden, reply.outputs):
            raise Unservable("golden-mismatch", difference)

    def _is_slow(self, error: grpc.RpcError) -> bool:
        """Say whether only this takes too long; raise ModelServerAway when nothing else is answered."""
        if error.code() in AWAY:
            raise _away(error) from error
        if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED:
            return False
        self.check()
        return True


def available(states: States) -> frozenset[int]:
    """Return the versions that can answer."""
    return frozenset(version for version, (state, _) in states.items() if state == AVAILABLE)


def has_failed(state: str, error: str) -> bool:
    """Say whether a version will not come; without an error it was unloaded before, and may come again."""
    return state == "END" and bool(error)


def _ask(call: Callable[..., Any], request: object, timeout_seconds: float) -> Any:
    try:
        return call(request, timeout=timeout_seconds)
    except ValueError as error:
        # gRPC's word for a channel that was closed, as the server is no longer there.
        raise ModelServerAway(f"expected an open channel: {error}") from error


def _config_message(config: ModelConfig) -> object:
    return tfserving.ModelConfig(
        name=config.name,
        base_path=config.base_path,
        model_platform="tensorflow",
        model_version_policy={"specific": {"versions": config.versions}},
        version_labels=config.labels,
    )


def _state_name(state: int) -> str:
    return str(tfserving.ModelVersionStatus.State.Name(state))


def _away(error: grpc.RpcError) -> ModelServerAway:
    return ModelServerAway(f"expected an answer, received {error.code().name}: {error.details()}")
