"""Rules of findings: what is found out about a model by its answers to held-out rows."""

from typing import Any

import numpy as np
import pytest
from judging_world import QUANTILES, Answer, answers_of, data_for, held_out_of, spec_of

from tidemill_contracts.profile import Task
from tidemill_trainer.evaluation.comparison import compare
from tidemill_trainer.evaluation.metrics import measure_scored
from tidemill_trainer.judging.findings import Findings
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.judging.measuring import Subject, find_out

FAIR = {"fairness": {"groups": ["sex"], "maxGaps": {}}}


def found(
    held_out: HeldOut, answer: Answer, others: dict[str, Answer] | None = None, **spec: Any
) -> Findings:
    columns = held_out.rows.columns()
    given = {name: other(columns) for name, other in (others or {}).items()}
    return find_out(Subject(answer(columns), answer), given, held_out, spec_of(**spec))


@pytest.fixture(scope="module")
def binary() -> tuple[HeldOut, Findings]:
    held_out = held_out_of(data_for("binary"))
    others = {"champion": answers_of("binary", sharpness=0.2), "linear": answers_of("binary", sharpness=2.0)}
    return held_out, found(held_out, answers_of("binary"), others, blessing=FAIR)


def test_metrics_are_those_of_all_rows_and_of_the_newest_span(binary: tuple[HeldOut, Findings]) -> None:
    held_out, findings = binary
    scored = held_out.answered(answers_of("binary")(held_out.rows.columns()))
    newest = scored.take(held_out.aside.is_newest)

    assert findings.newest is not None
    for result, rows in ((findings.held_out, scored), (findings.newest, newest)):
        assert result.metrics["roc_auc"].value == pytest.approx(measure_scored(rows)["roc_auc"])
        assert result.rows == len(rows)


def test_the_model_is_compared_with_others_on_the_same_rows(binary: tuple[HeldOut, Findings]) -> None:
    held_out, findings = binary
    columns = held_out.rows.columns()
    ours, champion = (
        held_out.answered(answers_of("binary", sharpness=sharpness)(columns)) for sharpness in (1.0, 0.2)
    )

    assert findings.held_out.comparisons["champion"] == compare(ours, champion, "roc_auc")
    assert findings.held_out.comparisons["constant"].champion == 0.5
    assert findings.held_out.others["linear"]["log_loss"] > findings.held_out.metrics["log_loss"].value
    assert all(part.comparison is not None for part in findings.slices)


def test_slices_groups_thresholds_and_features_are_looked_at(binary: tuple[HeldOut, Findings]) -> None:
    _, findings = binary

    assert {part.condition for part in findings.slices} >= {"carrier = DL", "carrier is missing"}
    assert [group.condition for group in findings.fairness[0].groups] == ["sex = f", "sex = m"]
    assert findings.reliability is not None
    assert findings.reliability.calibration_error < 0.05
    assert findings.best_threshold is not None
    assert findings.importance is not None
    assert findings.importance.features[0].name == "hour"
    assert "noise" in {each.name for each in findings.importance.features if each.is_useless}
    assert [each.column for each in findings.dependence] == ["hour", "<b>carrier</b>"]


def test_dependence_rises_where_the_label_does(binary: tuple[HeldOut, Findings]) -> None:
    hours = [point for point in binary[1].dependence[0].points if point.value is not None]

    means = [point.mean for point in hours]
    assert means == sorted(means)


@pytest.mark.parametrize(
    ("task", "present", "quantiles"),
    [
        ("multiclass", "confusion", False),
        ("regression", "agreement", False),
        ("regression", "agreement", True),
    ],
)
def test_every_task_is_measured_by_what_fits_it(task: Task, present: str, *, quantiles: bool) -> None:
    training: dict[str, Any] = {"quantiles": QUANTILES} if quantiles else {}
    held_out = held_out_of(data_for(task, **training))

    findings = found(held_out, answers_of(task, quantiles=quantiles), training=training)

    assert getattr(findings, present)
    assert findings.decides in findings.held_out.metrics
    assert findings.held_out.comparisons["constant"].gain.low > 0
    assert findings.importance is not None
    assert findings.importance.features[0].name == "hour"
    assert findings.dependence
    assert not findings.thresholds
    assert Findings.model_validate_json(findings.model_dump_json()) == findings


def test_rows_of_one_group_are_taken_together() -> None:
    data = data_for("binary")
    alone = found(held_out_of(data), answers_of("binary"))
    together = found(held_out_of(data, units=np.arange(2000) // 50), answers_of("binary"))

    assert alone.held_out.metrics["roc_auc"].value == together.held_out.metrics["roc_auc"].value
    assert alone.held_out.metrics["roc_auc"] != together.held_out.metrics["roc_auc"]


def test_rows_of_a_single_span_are_told_once() -> None:
    held_out = held_out_of(data_for("binary", 300), is_newest=np.ones(300, np.bool_))

    assert found(held_out, answers_of("binary")).newest is None


def test_what_could_not_be_looked_at_is_said() -> None:
    held_out = held_out_of(data_for("binary", 300), columns={}, absent={"carrier": "it is restricted"})

    findings = found(held_out, answers_of("binary"))

    assert findings.slices == ()
    assert "carrier: it is restricted" in findings.skipped


def test_the_same_seed_gives_the_same_findings() -> None:
    held_out = held_out_of(data_for("binary", 500))

    first, second = (found(held_out, answers_of("binary")) for _ in range(2))

    assert first.held_out == second.held_out
    assert first.slices == second.slices
