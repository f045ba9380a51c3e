"""Batching by TensorFlow Serving's options (T35): requests share runs, none spoils another's."""

import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_contracts import tensors, tfserving
from tidemill_local.modelserver.batching import BatchedRun
from tidemill_local.modelserver.batching_options import BatchingOptions, read_batching_file
from tidemill_local.modelserver.errors import StatusError, invalid

Arrays = Mapping[str, NDArray[Any]]
EVERY_KEY = """
max_batch_size { value: 8 }
batch_timeout_micros { value: 50000 }
max_enqueued_batches { value: 3 }
num_batch_threads { value: 1 }
thread_pool_name { value: "batching" }
allowed_batch_sizes: 4
allowed_batch_sizes: 8
pad_variable_length_inputs: true
enable_large_batch_splitting { value: true }
"""
WAIT_SECONDS = 10


class Doubling:
    """y = 2 x; refuses negative numbers; remembers what it was run with; `gate` holds every run back."""

    def __init__(self) -> None:
        self.runs: list[NDArray[Any]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, inputs: Arrays) -> Arrays:
        assert self.gate.wait(WAIT_SECONDS)
        self.runs.append(inputs["x"])
        if (inputs["x"] < 0).any():
            raise invalid("negative")
        return {"y": inputs["x"] * 2}


def joined(run: Callable[[Arrays], Arrays], **options: Any) -> BatchedRun:
    chosen = BatchingOptions(**{"batch_timeout_micros": 100_000, "num_batch_threads": 1, **options})
    return BatchedRun(run, chosen, threading.BoundedSemaphore(chosen.num_batch_threads))


def column(*values: float) -> dict[str, NDArray[Any]]:
    return {"x": np.array(values, np.float32)}


def ask_all(run: BatchedRun, *requests: Arrays) -> list[Any]:
    """Return each request's answer, or the message of its refusal."""

    def ask(inputs: Arrays) -> Any:
        try:
            return run(inputs)["y"].tolist()
        except StatusError as error:
            return error.message

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(ask, requests))


def test_the_file_has_tensorflow_servings_keys_t35(tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text(EVERY_KEY)

    assert read_batching_file(file) == BatchingOptions(8, 50_000, 3, 1, (4, 8), True, True)


def test_what_a_file_leaves_out_has_tensorflow_servings_default_t35(tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text("num_batch_threads { value: 2 }")

    assert read_batching_file(file) == BatchingOptions(1000, 0, 10, 2, (), False, False)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("max_batch_sise { value: 1 }", "expected BatchingParameters in"),
        ("max_batch_size { value: 0 }", "max_batch_size must be positive; was 0"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros must be positive; was -1"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "the last entry must equal max_batch_size 8"),
        (
            "max_batch_size { value: 4 } allowed_batch_sizes: 8 allowed_batch_sizes: 4",
            "must be in increasing order",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_t35(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "batching.config"
    file.write_text(text)

    with pytest.raises(StatusError, match=reason):
        read_batching_file(file)


def test_requests_at_the_same_time_share_a_run_and_get_their_own_rows_t35() -> None:
    model = Doubling()

    answers = ask_all(joined(model, max_batch_size=6), column(1), column(2, 3), column(4, 5, 6))

    assert answers == [[2], [4, 6], [8, 10, 12]]
    assert [len(rows) for rows in model.runs] == [6]


def test_a_batch_is_run_once_its_time_is_up_t35() -> None:
    model = Doubling()

    assert joined(model, batch_timeout_micros=1000)(column(1))["y"].tolist() == [2]


def test_no_batch_has_more_rows_than_allowed_t35() -> None:
    model = Doubling()

    answers = ask_all(joined(model, max_batch_size=2), *(column(value) for value in range(7)))

    assert answers == [[2 * value] for value in range(7)]
    assert max(len(rows) for rows in model.runs) <= 2


def test_a_poisoned_request_spoils_nobody_elses_answer() -> None:
    model = Doubling()

    answers = ask_all(joined(model, max_batch_size=3), column(1), column(-1), column(3))

    assert answers == [[2], "negative", [6]]


def test_requests_of_other_shapes_are_batches_of_their_own() -> None:
    model = Doubling()
    wide = {"x": np.ones((1, 2), np.float32)}

    answers = ask_all(joined(model, max_batch_size=2), column(1), column(2), wide, wide)

    assert answers == [[2], [4], [[2, 2]], [[2, 2]]]
    assert sorted(rows.shape for rows in model.runs) == [(2,), (2, 2)]


def test_variable_lengths_are_padded_with_their_first_value_where_asked_t35() -> None:
    model = Doubling()
    short, long = {"x": np.full((1, 1), 7, np.float32)}, {"x": np.array([[1, 2, 3]], np.float32)}

    answers = ask_all(joined(model, max_batch_size=2, pad_variable_length_inputs=True), short, long)

    assert answers == [[[14, 14, 14]], [[2, 4, 6]]]
    assert len(model.runs) == 1


def test_a_batch_is_filled_up_to_an_allowed_size_t35() -> None:
    model = Doubling()
    run = joined(model, max_batch_size=8, allowed_batch_sizes=(4, 8), batch_timeout_micros=0)

    assert run(column(1, 2, 3))["y"].tolist() == [2, 4, 6]
    assert [len(rows) for rows in model.runs] == [4]


def test_a_large_request_is_split_only_where_asked_t35() -> None:
    model = Doubling()
    splitting = joined(model, max_batch_size=2, batch_timeout_micros=0, enable_large_batch_splitting=True)

    assert splitting(column(1, 2, 3, 4, 5))["y"].tolist() == [2, 4, 6, 8, 10]
    assert [len(rows) for rows in model.runs] == [2, 2, 1]
    with pytest.raises(StatusError, match="Task size 3 is larger than maximum input batch size 2"):
        joined(model, max_batch_size=2)(column(1, 2, 3))


def test_a_full_queue_refuses_at_once_t35() -> None:
    model = Doubling()
    run = joined(model, max_batch_size=1, max_enqueued_batches=1, batch_timeout_micros=0)
    model.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(run, column(value)) for value in range(8)]
        done, _ = wait(answers, WAIT_SECONDS, FIRST_COMPLETED)
        refusals = [answer.exception() for answer in done]
        model.gate.set()
        answered = sum(answer.exception(WAIT_SECONDS) is None for answer in answers)

    assert all(isinstance(refusal, StatusError) for refusal in refusals)
    assert {refusal.code for refusal in refusals} == {grpc.StatusCode.UNAVAILABLE}  # type: ignore[union-attr]
    assert answered >= 1


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"x": np.float32(1)}, "must have at least one dimension"),
        ({**column(1, 2), "z": np.zeros(3)}, "must have equal 0th-dimension size"),
    ],
)
def test_inputs_without_common_rows_are_refused_t35(inputs: Arrays, reason: str) -> None:
    with pytest.raises(StatusError, match=reason):
        joined(Doubling())(inputs)


def test_a_server_with_batching_answers_everyone_t35(
    models: Path, start: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "batching.config"
    file.write_text("max_batch_size { value: 8 } batch_timeout_micros { value: 2000 }")
    flags = (
        "--model_name=m",
        f"--model_base_path={models / 'one'}",
        "--enable_batching=true",
        f"--batching_parameters_file={file}",
    )
    with start(*flags) as server, ThreadPoolExecutor(16) as pool:
        stub = tfserving.PredictionServiceStub(server.channel)

        def ask(value: int) -> float:
            request = tfserving.PredictRequest(model_spec={"name": "m"})
            request.inputs["x"].CopyFrom(tensors.to_proto(np.array([value], np.float32)))
            return float(tensors.to_array(stub.Predict(request, timeout=20).outputs["y"])[0])

        answers = list(pool.map(ask, range(100)))

    assert answers == [value / 2 + 1 for value in range(100)]


def test_a_file_without_batching_stops_the_start_t35(tmp_path: Path) -> None:
    file = tmp_path / "batching.config"
    file.write_text("")
    command = [sys.executable, "-m", "tidemill_local.modelserver", f"--batching_parameters_file={file}"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "without also turning on --enable_batching" in done.stderr
