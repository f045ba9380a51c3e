"""Cards of models of every task, blessed and rejected."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
from judging_world import CARRIER, QUANTILES, answers_of, data_for, held_out_of, spec_of
from trainer_world import a_training

from tidemill_contracts.anomaly import Anomaly
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import DatasetManifest, GoldenPredictions, ModelManifest
from tidemill_contracts.profile import LeftOut, Task
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.making import Told, make_card
from tidemill_trainer.champions import Champion
from tidemill_trainer.data import TrainingData
from tidemill_trainer.judging.findings import Served
from tidemill_trainer.judging.measuring import Subject, find_out
from tidemill_trainer.judging.verdict import Case, judge
from tidemill_trainer.trainings import Candidate, Data, Trial

HOSTILE = '<img src=x onerror="alert(1)">&\N{RIGHT-TO-LEFT OVERRIDE}\0'
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVED = Served(requests=200, p50_ms=0.5, p95_ms=1.25, load_seconds=0.3)
BROKEN = Reason(code="not-servable", message=f"expected a SavedModel that loads, received {HOSTILE}")
FAIR = {"groups": ["sex"], "maxGaps": {"demographic_parity_difference": 0.2}}


def a_card(
    task: Task = "binary", *, quantiles: bool = False, sharpness: float = 1.0, **changes: Any
) -> ModelCard:
    """The card of a model held against a champion and a linear model; `changes` are of what is told."""
    training: dict[str, Any] = {"quantiles": QUANTILES} if quantiles else {}
    return make_card(told(data_for(task, **training), task, training, sharpness, changes), "boosted-trees")


def told(
    data: TrainingData, task: Task, training: dict[str, Any], sharpness: float, changes: dict[str, Any]
) -> Told:
    blessing = {"slices": {"minMetrics": {}, "maxRegression": 0.02}}
    spec = spec_of(
        slices=[["carrier"], ["hour"]],
        training=training,
        blessing=blessing | ({"fairness": FAIR} if task == "binary" else {}),
    )
    held_out = held_out_of(data)
    columns = held_out.rows.columns()
    ours = answers_of(task, quantiles="quantiles" in training, sharpness=sharpness)
    others = {
        name: answers_of(task, quantiles="quantiles" in training, sharpness=each)(columns)
        for name, each in (("champion", 0.8), ("linear", 0.5))
    }
    manifest = a_manifest(data)
    champion = Champion(a_champion(), others["champion"])
    case = Case(
        data=Data(2, 2),
        findings=find_out(Subject(ours(columns), ours), others, held_out, spec),
        incumbent=champion.incumbent,
        size_bytes=1 << 20,
        served=SERVED,
        ranges="weights -2.5 to 3, answers 0.01 to 0.99",
    )
    facts: dict[str, Any] = {
        "training": a_training(2),
        "manifest": manifest,
        "spec": spec,
        "data": data,
        "version": 7,
        "candidates": [a_candidate(family, data) for family in ("linear", "deep", "boosted-trees")],
        "case": case,
        "reasons": judge(case, spec.blessing),
        "champion": champion,
        "not_served": "",
        "restricted": frozenset({"passport"}),
        "trials": [a_trial(number) for number in range(12)],
        "seconds": 31.5,
        "at": AT,
    }
    return Told(**{**facts, **changes})


def a_candidate(family: str, data: TrainingData, **facts: Any) -> Candidate:
    known: dict[str, Any] = {
        "family": family,
        "score": 0.81,
        "metrics": {data.objective.metric: 0.8},
        "params": {"units": 64, "rate": 0.001},
        "curves": {},
        "defects": (),
        "seconds": 4.2,
    }
    return Candidate(**{**known, **facts})


def a_trial(number: int) -> Trial:
    family = ("boosted-trees", "deep", "linear")[number % 3]
    return Trial(
        number=number,
        family=family,
        origin="search" if number > 2 else "default",
        params={"trees": 10 * number, "shrinkage": 0.1},
        state="failed" if number == 5 else "finished",
        score=None if number == 5 else 0.7 + 0.02 * np.sin(number).item(),
        seconds=1.5,
        curves={"train_loss": (0.7, 0.5, 0.4), "validation_loss": (0.7, 0.6, 0.58)},
        started_at=AT,
        message=HOSTILE if number == 5 else "",
    )


def a_champion() -> ModelManifest:
    return ModelManifest(
        pipeline="flights",
        version=3,
        model_id="m3",
        dataset=1,
        dataset_id="d1",
        spec_digest="s",
        family="deep",
        metrics={},
        candidates={},
        champion=None,
        champion_metrics=None,
        blessed=True,
        reasons=(),
        golden=GoldenPredictions(inputs={}, outputs={}),
        trained_at=AT,
        tracking={},
    )


def a_manifest(data: TrainingData) -> DatasetManifest:
    left_out = {"passport": "It is restricted.", HOSTILE: "It names rows.", "id": "It names rows."}
    anomaly = {"type": "COMPARATOR_L_INFTY_HIGH", "severity": "warn", "against": "drift"}
    return DatasetManifest(
        pipeline="flights",
        dataset=2,
        dataset_id="d2",
        spec_digest="s",
        spans=(1, 2),
        span_ids=("s1", "s2"),
        rows_in=4100,
        rows_train=len(data.train),
        rows_eval=len(data.held_out),
        rows_unlabelled=90,
        rows_rejected=10,
        task=data.objective.task,
        train_files=(),
        eval_files=(),
        features=data.features,
        left_out=tuple(LeftOut(name=name, reason=reason) for name, reason in left_out.items()),
        anomalies=(
            Anomaly.model_validate({**anomaly, "column": CARRIER, "message": f"expected {HOSTILE}"}),
            Anomaly.model_validate({**anomaly, "column": "passport", "message": "expected passport X123"}),
        ),
    )
