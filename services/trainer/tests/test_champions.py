"""Rules of comparing with a champion: its answers are brought into the form of the candidates'."""

from pathlib import Path

import numpy as np
import pytest
from card_world import a_champion

from tidemill_contracts import layout
from tidemill_runtime.objects import open_store
from tidemill_runtime.sequence import Sequence
from tidemill_trainer.champions import comparable, find_champion
from tidemill_trainer.objective import Objective

BINARY = Objective(task="binary", metric="roc_auc")
CLASSES = Objective(task="multiclass", metric="log_loss", classes=("a", "b", "new"))
QUANTILES = Objective(task="regression", metric="pinball_loss", quantiles=(0.1, 0.9))


def test_answers_of_the_same_task_are_taken_as_they_are() -> None:
    answers = np.array([0.2, 0.7], np.float32)

    assert comparable(answers, a_champion(), BINARY) is answers


def test_a_class_that_the_champion_does_not_know_was_given_no_chance() -> None:
    champion = a_champion().model_copy(update={"task": "multiclass", "classes": ("b", "gone", "a")})

    found = comparable(np.array([[0.5, 0.2, 0.3]], np.float32), champion, CLASSES)

    assert found is not None
    assert found.tolist() == [[pytest.approx(0.3), pytest.approx(0.5), 0]]


@pytest.mark.parametrize("width", [0, 3])
def test_numbers_that_mean_something_else_are_not_compared(width: int) -> None:
    answers = np.ones((4, width) if width else 4, np.float32)

    assert comparable(answers, a_champion(), QUANTILES) is None


def test_a_model_that_serving_took_back_is_no_champion(tmp_path: Path) -> None:
    store = open_store(tmp_path.as_uri())
    for model_id in ("first", "second"):
        version = Sequence(store, layout.MODEL_SEQUENCE, "p").allocate(model_id)
        changes = {"pipeline": "p", "model_id": model_id, "version": version, "blessed": True}
        manifest = a_champion().model_copy(update=changes)
        store.write(layout.model_manifest("p", model_id), manifest.model_dump_json().encode())
    newest = find_champion(store, "p")
    taken_back = b'{"pipeline": "p", "withdrawn": {"2": {"code": "slow", "message": "too slow"}}}'
    store.write(layout.deployment("p"), taken_back)

    champion = find_champion(store, "p")

    assert newest is not None
    assert newest.model_id == "second"
    assert champion is not None
    assert champion.model_id == "first"
