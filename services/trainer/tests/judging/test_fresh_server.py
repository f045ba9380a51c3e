"""Rules of trying a model out: a model server loads it, answers as in training, and is gone afterwards."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from tidemill_contracts.manifest import GoldenPredictions
from tidemill_trainer.judging.fresh_server import NOWHERE, FreshServer, ServerPlace, fresh_server
from tidemill_trainer.judging.model_server import ServerAway, Unservable

EMBEDDED = ServerPlace(command=(sys.executable, "-m", "tidemill_local.modelserver"))
GOLDEN = GoldenPredictions(
    inputs={"x": (0.0, 1.0, None)}, outputs={"value": (1.0, 3.0, 1.0), "word": ("ö", "ö", "ö")}
)


def doubled(x: Any) -> dict[str, Any]:
    """Answer 2x + 1, and a word."""
    known = tf.where(tf.math.is_nan(x), 0.0, x)
    return {"value": 2 * known + 1, "word": tf.fill(tf.shape(x), "ö")}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    module = tf.Module()
    module.serve = tf.function(doubled, input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshServer]:
    with fresh_server(EMBEDDED, tmp_path_factory.mktemp("scratch")) as server:
        yield server


def test_a_model_that_answers_as_in_training_is_timed(server: FreshServer, model: Path) -> None:
    served = server.check(model, "sound", GOLDEN)

    assert served.requests > 10
    assert 0 < served.p50_ms <= served.p95_ms < 10_000


def test_a_model_that_answers_otherwise_is_not_servable(server: FreshServer, model: Path) -> None:
    other = GOLDEN.model_copy(update={"outputs": {"value": (1.0, 3.1, 1.0)}})

    with pytest.raises(Unservable, match=r"expected \[1.0, 3.1, 1.0\], received \[1.0, 3.0, 1.0\]"):
        server.check(model, "other", other)


def test_a_model_that_lacks_an_input_is_not_servable(server: FreshServer, model: Path) -> None:
    golden = GOLDEN.model_copy(update={"inputs": {"y": (1.0, 2.0, 3.0)}})

    with pytest.raises(Unservable) as refused:
        server.check(model, "lacking", golden)

    assert refused.value.reason.code == "predict-failed"


def test_a_model_that_does_not_load_is_not_servable(server: FreshServer, model: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(model, broken)
    (broken / "saved_model.pb").write_bytes(b"no graph")

    with pytest.raises(Unservable) as refused:
        server.check(broken, "broken", GOLDEN)

    assert refused.value.reason.code == "load-failed"


def test_a_server_that_runs_already_is_asked_through_a_shared_folder(
    server: FreshServer, model: Path, tmp_path: Path
) -> None:
    place = ServerPlace(address=server.address, folder=tmp_path)

    with fresh_server(place, tmp_path / "scratch") as neighbour:
        assert neighbour.check(model, "shared", GOLDEN).requests > 10
    assert list(tmp_path.iterdir()) == []


def test_without_a_setting_there_is_no_server(model: Path, tmp_path: Path) -> None:
    with fresh_server(NOWHERE, tmp_path) as server, pytest.raises(ServerAway, match="expected a setting"):
        server.check(model, "model", GOLDEN)


def test_a_server_that_ends_by_itself_is_away(model: Path, tmp_path: Path) -> None:
    place = ServerPlace(command=(sys.executable, "-c", "raise SystemExit(3)"))

    with (
        fresh_server(place, tmp_path) as server,
        pytest.raises(ServerAway, match="the model server has ended"),
    ):
        server.check(model, "model", GOLDEN)


def test_the_server_ends_with_the_block(tmp_path: Path) -> None:
    place = ServerPlace(command=(sys.executable, "-c", "import time; time.sleep(600)"))

    with fresh_server(place, tmp_path) as server:
        pid = server.pid
        assert pid is not None
        os.kill(pid, 0)

    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
