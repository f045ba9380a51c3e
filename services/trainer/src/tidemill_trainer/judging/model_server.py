"""What is asked of a model server about a model that it has never seen: golden rows, and how fast it is."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np

from tidemill_contracts import tfserving
from tidemill_contracts.events import Reason
from tidemill_contracts.golden import mismatch, to_request
from tidemill_contracts.manifest import GoldenPredictions
from tidemill_trainer.judging.findings import Served

VERSION = 1
AVAILABLE = "AVAILABLE"
LOAD_SECONDS = 120.0
CALL_SECONDS = 10.0
POLL_SECONDS = 0.05
# The first answers prepare what later ones use.
UNTIMED_REQUESTS, TIMED_REQUESTS, TIMED_SECONDS = 20, 200, 2.0


class ServerAway(Exception):
    """There is no model server that answers: nothing is known of the model."""


class Unservable(Exception):
    """The model does not load, or does not answer as it did in training."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.reason = Reason(code=code, message=message)


class ModelServer:
    """A client of a model server that carries nothing but the model to be checked."""

    def __init__(self, address: str) -> None:
        """Take its address; nothing is asked yet."""
        self._channel = grpc.insecure_channel(address, (("grpc.max_reconnect_backoff_ms", 200),))
        self._models = tfserving.ModelServiceStub(self._channel)
        self._predictions = tfserving.PredictionServiceStub(self._channel)

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def await_up(self, seconds: float, is_alive: Callable[[], bool] = lambda: True) -> None:
        """Wait until the server answers; raise ServerAway when it takes longer, or lives no more."""
        deadline, ready = time.monotonic() + seconds, grpc.channel_ready_future(self._channel)
        while time.monotonic() < deadline and is_alive():
            try:
                ready.result(POLL_SECONDS)
            except grpc.FutureTimeoutError:
                continue
            return
        ready.cancel()
        lived = "is alive" if is_alive() else "has ended"
        raise ServerAway(f"expected an answer within {seconds:g} s, received none: the model server {lived}")

    def check(self, name: str, base_path: Path, golden: GoldenPredictions) -> Served:
        """Load version 1 below a folder, ask the golden rows, and time single ones.

        Raises Unservable when the model fails, or brings down the server.
        """
        began = time.monotonic()
        try:
            self._load(name, base_path)
            load_seconds = time.monotonic() - began
            self._ask_golden_rows(name, golden)
            times = list(self._time_single_rows(name, golden))
        except grpc.RpcError as error:
            message = f"expected answers of the model, received {error.code().name}: {error.details()}"
            raise Unservable("predict-failed", message) from error
        p50, p95 = np.percentile(times, (50, 95))
        return Served(requests=len(times), p50_ms=p50, p95_ms=p95, load_seconds=round(load_seconds, 3))

    def _load(self, name: str, base_path: Path) -> None:
        model = tfserving.ModelConfig(name=name, base_path=str(base_path), model_platform="tensorflow")
        request = tfserving.ReloadConfigRequest(config={"model_config_list": {"config": [model]}})
        try:
            # Answers when the model is loaded, or with what it lacks.
            self._models.HandleReloadConfigRequest(request, timeout=LOAD_SECONDS)
            state, problem = self._await_end_of_loading(name)
        except grpc.RpcError as error:
            state, problem = error.code().name, error.details() or ""
        if state != AVAILABLE:
            message = f"expected the model AVAILABLE, received {state}: {problem or 'no error'}"
            raise Unservable("load-failed", message)

    def _await_end_of_loading(self, name: str) -> tuple[str, str]:
        """Return the state in which the model stays, and what went wrong."""
        deadline = time.monotonic() + LOAD_SECONDS
        request = tfserving.GetModelStatusRequest(model_spec={"name": name})
        state, problem = "UNKNOWN", ""
        while time.monotonic() < deadline and state not in (AVAILABLE, "END"):
            for status in self._models.GetModelStatus(request, timeout=CALL_SECONDS).model_version_status:
                state = tfserving.ModelVersionStatus.State.Name(status.state)
                problem = status.status.error_message
            time.sleep(0 if state == AVAILABLE else POLL_SECONDS)
        return state, problem

    def _ask_golden_rows(self, name: str, golden: GoldenPredictions) -> None:
        try:
            reply = self._predictions.Predict(to_request(name, VERSION, golden), timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            message = f"expected golden predictions, received {error.code().name}: {error.details()}"
            raise Unservable("predict-failed", message) from error
        if difference := mismatch(golden, reply.outputs):
            raise Unservable("golden-mismatch", difference)

    def _time_single_rows(self, name: str, golden: GoldenPredictions) -> Iterator[float]:
        """Yield milliseconds per request, one after another, for as long as there is time."""
        rows = len(next(iter(golden.inputs.values())))
        requests = [to_request(name, VERSION, golden, slice(row, row + 1)) for row in range(rows)]
        for number in range(UNTIMED_REQUESTS):
            self._predictions.Predict(requests[number % rows], timeout=CALL_SECONDS)
        deadline = time.monotonic() + TIMED_SECONDS
        for number in range(TIMED_REQUESTS):
            began = time.perf_counter()
            self._predictions.Predict(requests[number % rows], timeout=CALL_SECONDS)
            yield (time.perf_counter() - began) * 1000
            if time.monotonic() > deadline:
                return
