"""TF Serving, driven over its own gRPC API. The one place that knows its messages."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
        self._load_timeout_seconds = load_timeout_seconds
        self._channel = grpc.insecure_channel(address, options=RECONNECT)
        self._models = tfserving.ModelServiceStub(self._channel)
        self._predictions = tfserving.PredictionServiceStub(self._channel)
        # Of a model whose configuration may not have been taken, None.
        self._told: dict[str, ModelConfig | None] = {}

    def close(self) -> None:
        self._channel.close()

    def members(self) -> Sequence["ModelServer"]:
        """Be a fleet of one, as ModelServers may be of several."""
        return (self,)

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
        self._told = dict.fromkeys((*self._told, *(config.name for config in configs)))
        try:
            self._models.HandleReloadConfigRequest(request, timeout=self._load_timeout_seconds)
        except grpc.RpcError as error:
            if self._is_slow(error):
                raise ModelServerBusy(
                    f"expected a reload within {self._load_timeout_seconds:g} s, it goes on"
                ) from error
            get_logger().warning("model-server-refused", code=error.code().name, error=error.details())
        else:
            self._told = {config.name: config for config in configs}

    def holds(self, config: ModelConfig) -> bool:
        """Say whether the server was told this of the model, and still knows every version of it."""
        return self._told.get(config.name) == config and set(config.versions) <= set(self.states(config.name))

    def told(self) -> frozenset[str]:
        """Name the models of the last configuration, and of those it may not have taken since."""
        return frozenset(self._told)

    def states(self, model: str) -> dict[int, tuple[str, str]]:
        """Map each known version of a model to its state and error text; empty for an unknown model."""
        request = tfserving.GetModelStatusRequest(model_spec={"name": model})
        try:
            reply = self._models.GetModelStatus(request, timeout=CALL_SECONDS)
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
        deadline = time.monotonic() + self._load_timeout_seconds
        state, error = "", ""
        while time.monotonic() < deadline:
            state, error = self.states(model).get(version, ("not yet known", ""))
            if state == AVAILABLE:
                return
            # Without an error it is the end of an earlier life: the version was unloaded before.
            if state == "END" and error:
                break
            time.sleep(POLL_SECONDS)
        raise Unservable(
            LOAD_FAILED,
            f"expected {model} version {version} AVAILABLE, received {state}: {error or 'no error'}",
        )

    def verify(self, model: str, version: int, golden: GoldenPredictions) -> None:
        """Ask the golden rows; raise Unservable unless the answers are those given in training."""
        request = to_request(model, version, golden)
        try:
            reply = self._predictions.Predict(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            late = f" after {CALL_SECONDS} s" if self._is_slow(error) else ""
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
