"""Every route gives the same answers, and each model takes the fastest that can carry it."""

from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf

from tidemill_local.modelserver import saved_model
from tidemill_local.modelserver.errors import StatusError
from tidemill_local.modelserver.routes import ROUTES, load_saved_model

X = np.array([1, -4], np.float32)


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_gives_the_same_answer(models: Path, route: str) -> None:
    model = ROUTES[route](models / "one" / "1", 1)

    outputs = model.signatures["serving_default"].run({"x": X})

    assert {alias: array.tolist() for alias, array in outputs.items()} == {"y": [1.5, -1], "doubled": [2, -8]}
    model.close()


@pytest.mark.parametrize("route", ROUTES)
def test_every_route_reports_the_models_own_error(models: Path, route: str) -> None:
    model = ROUTES[route](models / "one" / "1", 1)

    with pytest.raises(StatusError, match="could not correctly convert string: abc") as failure:
        model.signatures["parse"].run({"text": np.array([b"abc"], object)})
    assert failure.value.code is grpc.StatusCode.INVALID_ARGUMENT
    model.close()


@pytest.mark.parametrize("name", ["keras", "trees", "zero"])
def test_usual_models_run_in_the_calling_thread(models: Path, name: str) -> None:
    route, model = load_saved_model(models / name / "1", 1)

    assert route == "calling-thread"
    model.close()


def test_low_level_control_flow_takes_a_common_session(tmp_path: Path) -> None:
    save_counting_loop(tmp_path / "1")

    route, model = load_saved_model(tmp_path / "1", 1)

    assert route == "session"
    assert model.signatures["serving_default"].run({"x": X})["y"].tolist() == [4, -1]
    model.close()


def test_an_operation_of_an_unknown_package_is_named(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saved_model, "OP_PACKAGES", {"SimpleML": "no_such_package"})

    def load(_folder: Path, _threads: int) -> Any:
        raise tf.errors.NotFoundError(None, None, "Op type not registered 'SimpleMLInferenceOp'")

    with pytest.raises(StatusError, match="SimpleMLInferenceOp needs the Python package no_such_package"):
        saved_model.with_registered_ops(load, models, 1)


def save_counting_loop(folder: Path) -> None:
    """x + 3, counted by a loop of the kind that TensorFlow 1 wrote."""
    tf.compat.v1.disable_control_flow_v2()
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [None])
        _, y = tf.compat.v1.while_loop(
            lambda i, _: i < 3, lambda i, y: (i + 1, y + 1), [tf.constant(0), tf.identity(x)]
        )
        tf.compat.v1.saved_model.simple_save(session, str(folder), {"x": x}, {"y": y})
    tf.compat.v1.enable_control_flow_v2()
