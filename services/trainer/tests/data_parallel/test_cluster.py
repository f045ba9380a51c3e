"""Rules of training together, by real processes: the same network as of one, and no waiting for the dead."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_trainer.addresses import free_addresses
from tidemill_trainer.kubernetes_job import PEER_LOST

MEMBER = Path(__file__).parents[1] / "team_member.py"
# Both have TensorFlow to load, maybe on a machine with other work.
END_SECONDS = 200
# TensorFlow takes a process that is silent for 10 s to be gone.
NOTICE_SECONDS = 60
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(MEMBER.parent), "CUDA_VISIBLE_DEVICES": ""}
Arrays = dict[str, NDArray[Any]]
pytestmark = pytest.mark.timeout(3 * END_SECONDS)


@contextmanager
def members(count: int, folder: Path, task: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Start processes that train together; kill those that are left."""
    folder.mkdir()
    with ExitStack() as stack:
        processes = []
        for index, peers in enumerate([",".join(free_addresses(count))] * count):
            log = stack.enter_context((folder / f"{index}.log").open("wb"))
            command = [sys.executable, str(MEMBER), peers, str(index), str(folder), task]
            processes.append(subprocess.Popen(command, env=ENVIRONMENT, stdout=log, stderr=log))
            stack.callback(processes[-1].wait)
            stack.callback(processes[-1].kill)
        yield processes


def train(count: int, folder: Path) -> tuple[dict[str, Any], Arrays]:
    """Train with so many processes; return what came of it."""
    with members(count, folder, "train") as processes:
        for index, process in enumerate(processes):
            assert process.wait(END_SECONDS) == 0, (folder / f"{index}.log").read_text()
    with np.load(folder / "weights.npz") as weights:
        return json.loads((folder / "facts.json").read_text()), dict(weights)


@pytest.fixture(scope="module")
def alone_and_together(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process trained, and what two did."""
    folder = tmp_path_factory.mktemp("together")
    return train(1, folder / "alone"), train(2, folder / "together")


def test_two_processes_train_the_network_that_one_trains(alone_and_together: Any) -> None:
    (alone, weights), (together, the_same) = alone_and_together

    np.testing.assert_allclose(the_same["exact"], weights["exact"], atol=1e-5)
    np.testing.assert_allclose(the_same["other"], weights["other"], atol=1e-5)
    assert together["train_loss"] == pytest.approx(alone["train_loss"], abs=1e-5)
    assert together["check_loss"] == pytest.approx(alone["check_loss"], abs=1e-5)


def test_with_dropout_two_processes_train_one_that_is_as_good(alone_and_together: Any) -> None:
    (alone, weights), (together, others) = alone_and_together

    assert alone["least_loss"] < alone["first_loss"] - 0.02
    assert together["least_loss"] == pytest.approx(alone["least_loss"], abs=0.02)
    assert np.abs(others["answers"] - weights["answers"]).mean() < 0.1


def test_a_fit_that_is_pruned_ends_for_all_and_another_can_follow(alone_and_together: Any) -> None:
    for facts, _ in alone_and_together:
        assert facts["is_pruned"]
        assert facts["epochs"] > 1


@pytest.mark.parametrize(("lost", "how"), [(0, signal.SIGTERM), (1, signal.SIGSTOP)])
def test_who_loses_another_process_ends_and_says_so(tmp_path: Path, lost: int, how: signal.Signals) -> None:
    folder = tmp_path / "members"
    with members(2, folder, "train-for-ever") as processes:
        _wait_for(folder / "begun")

        processes[lost].send_signal(how)

        left = 1 - lost
        assert processes[left].wait(NOTICE_SECONDS) == PEER_LOST, (folder / f"{left}.log").read_text()
        assert "out-of-step" in (folder / f"{left}.log").read_text()
        assert processes[lost].poll() == (-how if how == signal.SIGTERM else None)


def _wait_for(file: Path) -> None:
    deadline = time.monotonic() + END_SECONDS
    while not file.exists():
        assert time.monotonic() < deadline, f"expected {file} within {END_SECONDS} s, there is none"
        time.sleep(0.1)
