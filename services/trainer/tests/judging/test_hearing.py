"""Rules of a hearing: the best contestant is measured beside the others, and tried out in a model server."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from card_world import BROKEN, a_champion
from judging_world import spec_of
from known_model import FORMULAS, Formula, known_data, known_model

from tidemill_trainer.champions import Champion
from tidemill_trainer.data import TrainingData
from tidemill_trainer.examination import Contestant, examine
from tidemill_trainer.judging.aside import Aside
from tidemill_trainer.judging.fresh_server import NOWHERE, FreshServer, ServerPlace, fresh_server
from tidemill_trainer.judging.hearing import Court, Hearing, hear
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.judging.verdict import judge
from tidemill_trainer.trainings import Data

SPEC = spec_of(slices=[])


def blurred(amount: float) -> Formula:
    def formula(raw: Mapping[str, Any]) -> Any:
        known = tf.where(tf.math.is_nan(raw["x"]), 0.0, tf.clip_by_value(raw["x"], -3, 3))
        return (1 - amount) * FORMULAS["binary"](raw) + amount * 0.5 * (1 + tf.math.sin(1e3 * known))

    return formula


@pytest.fixture(scope="module")
def data() -> TrainingData:
    return known_data(rows=600)


@pytest.fixture(scope="module")
def contestants(data: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Contestant]:
    folder = tmp_path_factory.mktemp("contestants")
    models: dict[str, Formula] = {"linear": blurred(0.9), "custom": FORMULAS["binary"]}
    return {
        family: examine(known_model(data, formula, family=family), data, folder / family, seconds=1)
        for family, formula in models.items()
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshServer]:
    place = ServerPlace(command=(sys.executable, "-m", "tidemill_local.modelserver"))
    with fresh_server(place, tmp_path_factory.mktemp("scratch")) as server:
        yield server


def heard(
    contestants: Mapping[str, Contestant],
    data: TrainingData,
    server: FreshServer,
    champion: Champion | None = None,
    unexamined: tuple[str, ...] = (),
) -> Hearing:
    rows = len(data.held_out)
    aside = Aside({}, np.ones(rows, np.bool_), None, {})
    held_out = HeldOut(data.held_out, data.features, data.objective, aside)
    court = Court(
        data=Data(1, 1),
        model_id="m1",
        held_out=held_out,
        spec=SPEC,
        champion=champion,
        server=server,
        unexamined=unexamined,
    )
    return hear(contestants, court)


def named(contestants: Mapping[str, Contestant], scores: Mapping[str, float]) -> dict[str, Contestant]:
    """Give contestants the score that decides."""
    return {
        family: replace(contestant, result=contestant.result.model_copy(update={"score": scores[family]}))
        for family, contestant in contestants.items()
    }


def test_the_best_is_measured_beside_the_others_and_tried_out(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    linear = contestants["linear"]
    champion = Champion(a_champion(), linear.answers)

    hearing = heard(named(contestants, {"linear": 0.6, "custom": 0.8}), data, server, champion)

    findings = hearing.case.findings
    assert hearing.chosen.result.family == "custom"
    assert findings is not None
    assert findings.held_out.others.keys() == {"constant", "linear", "champion"}
    assert findings.held_out.others["linear"]["log_loss"] == pytest.approx(linear.result.metrics["log_loss"])
    assert hearing.case.served is not None
    assert hearing.case.size_bytes > 1000
    assert hearing.case.ranges.startswith("weights 1 to 1, answers 0.")
    assert hearing.not_served == ""
    assert findings.importance is not None


def test_the_linear_model_is_not_compared_with_itself(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    hearing = heard(named(contestants, {"linear": 0.8, "custom": 0.8}), data, server)

    assert hearing.chosen.result.family == "linear"
    assert hearing.case.findings is not None
    assert hearing.case.findings.held_out.others.keys() == {"constant"}


def test_a_model_that_a_server_answers_otherwise_is_rejected_for_that_alone(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    custom = contestants["custom"]
    golden = custom.golden.model_copy(update={"outputs": {"probability": (0.123,) * 16}})

    hearing = heard({"custom": replace(custom, golden=golden)}, data, server)

    assert [reason.code for reason in judge(hearing.case, SPEC.blessing)] == ["golden-mismatch"]


def test_without_a_server_the_model_is_judged_all_the_same_and_it_is_said(
    contestants: dict[str, Contestant], data: TrainingData, tmp_path: Path
) -> None:
    with fresh_server(NOWHERE, tmp_path) as nowhere:
        hearing = heard(contestants, data, nowhere)

    assert hearing.case.findings is not None
    assert (hearing.case.served, hearing.case.defects) == (None, ())
    assert "expected a setting" in hearing.not_served


def test_one_with_defects_is_not_looked_at_any_further(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    custom = contestants["custom"]
    result = custom.result.model_copy(update={"defects": (BROKEN,), "metrics": {}})

    hearing = heard({"custom": replace(custom, result=result, answers=None)}, data, server)

    assert hearing.case.findings is None
    assert judge(hearing.case, SPEC.blessing) == (BROKEN,)


def test_a_champion_that_cannot_be_compared_is_said(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    champion = Champion(a_champion(), None, "version 3 answers another task, regression")

    hearing = heard(contestants, data, server, champion)

    assert hearing.case.incumbent == champion.incumbent
    assert hearing.case.findings is not None
    assert hearing.case.findings.skipped[-1].endswith("version 3 answers another task, regression")


def test_a_finalist_that_there_was_no_time_to_examine_is_said(
    contestants: dict[str, Contestant], data: TrainingData, server: FreshServer
) -> None:
    hearing = heard(contestants, data, server, unexamined=("deep", "ensemble"))

    assert hearing.case.findings is not None
    assert hearing.case.findings.skipped == ("deep, ensemble on held-out rows: there was no time",)
