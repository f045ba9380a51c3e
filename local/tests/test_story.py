"""What people read about an event."""

import pytest

from tidemill_contracts.event import EventData
from tidemill_contracts.events import (
    CandidateTrained,
    DatasetIngested,
    DatasetRejected,
    DatasetTransformed,
    DropDeduplicated,
    DropQuarantined,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
    ModelSuperseded,
    ModelWithdrawn,
    PipelineDeleted,
    Reason,
    ReleaseStepped,
    RetrainRequested,
    SchemaChange,
    TrialFinished,
)
from tidemill_local.cli.story import Line, Outcome, tell

REASON = Reason(code="too-small", message="expected 100 rows, received 3")
DROP = {"pipeline": "p", "object_name": "drops/p/a.csv", "generation": 1, "seconds": 1}
MODEL = {"pipeline": "p", "model_id": "m", "version": 2, "seconds": 1}
VERDICT = {**MODEL, "dataset": 1, "dataset_id": "d", "family": "deep", "metrics": {}, "champion": None}


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (
            DatasetIngested(
                spec_digest="s", span=1, span_id="i", rows=27004, rows_rejected=3, columns=19, **DROP
            ),
            Line("ingest", "span 1: 27,004 rows, 19 columns, 3 rejected", 1),
        ),
        (
            DatasetIngested(
                spec_digest="s",
                span=2,
                span_id="i",
                rows=3,
                rows_rejected=0,
                columns=1,
                changes=(
                    SchemaChange(column="gate", change="added", after="string"),
                    SchemaChange(column="hour", change="widened", before="int", after="float"),
                ),
                **DROP,
            ),
            Line("ingest", "span 2: 3 rows, 1 columns, 0 rejected; added gate, widened hour", 1),
        ),
        (
            DropDeduplicated(span=1, span_id="i", **DROP),
            Line("ingest", "same content as span 1: nothing to do", 1, Outcome.NOTHING_NEW),
        ),
        (
            DropQuarantined(reason=REASON, quarantine_name=None, **DROP),
            Line("ingest", "quarantined: too-small: expected 100 rows, received 3", 1, Outcome.REFUSED),
        ),
        (
            DatasetTransformed(
                pipeline="p",
                spec_digest="s",
                dataset=2,
                dataset_id="d",
                spans=(1, 2),
                rows_in=1110,
                rows_train=1000,
                rows_eval=100,
                rows_unlabelled=10,
                seconds=1,
            ),
            Line("transform", "dataset 2: 1,000 rows to train, 100 to evaluate, 10 without label", 1),
        ),
        (
            DatasetTransformed(
                pipeline="p",
                spec_digest="s",
                dataset=3,
                dataset_id="d",
                spans=(1,),
                rows_in=12,
                rows_train=5,
                rows_eval=4,
                rows_unlabelled=1,
                rows_rejected=2,
                warnings=(Reason(code="SCHEMA_NEW_COLUMN", message="gate"),),
                seconds=1,
            ),
            Line(
                "transform",
                "dataset 3: 5 rows to train, 4 to evaluate, 1 without label, 2 rejected; "
                "look at SCHEMA_NEW_COLUMN",
                1,
            ),
        ),
        (
            RetrainRequested(pipeline="p", request_id="r", span=2),
            Line("retrain", "a new model of p is asked for, of data up to span 2", 0),
        ),
        (
            DatasetRejected(pipeline="p", span=1, reasons=(REASON,), seconds=1),
            Line(
                "transform",
                "data of span 1 refused: too-small: expected 100 rows, received 3",
                1,
                Outcome.REFUSED,
            ),
        ),
        (
            CandidateTrained(
                pipeline="p", model_id="m", family="deep", metrics={"roc_auc": 0.75, "rows": 9}, seconds=1
            ),
            Line("train", "deep: roc_auc 0.7500", 1),
        ),
        (
            TrialFinished(
                pipeline="p",
                model_id="m",
                trial=3,
                family="deep",
                metric="roc_auc",
                score=None,
                best=0.9,
                state="pruned",
                seconds=1,
                seconds_left=65,
            ),
            Line("train", "trial 3, deep: pruned, best 0.9000, 1:05 left", 1),
        ),
        (
            ModelSuperseded(
                pipeline="p",
                model_id="m",
                dataset=1,
                dataset_id="d",
                seconds=1,
                by_dataset=2,
                by_model_id="n",
            ),
            Line("train", "dataset 1 is not trained on: dataset 2 is newer", 1, Outcome.NOTHING_NEW),
        ),
        (
            ModelBlessed(**{**VERDICT, "champion": 1}),
            Line("verdict", "version 2, deep, blessed: holds against version 1", 1),
        ),
        (
            ModelRejected(**VERDICT, reasons=(REASON,)),
            Line(
                "verdict",
                "version 2, deep, rejected: too-small: expected 100 rows, received 3",
                1,
                Outcome.REFUSED,
            ),
        ),
        (
            ModelDeployed(**MODEL, label="stable", replaces=1),
            Line("deploy", "version 2 answers requests, in place of version 1", 1, Outcome.SERVED),
        ),
        (
            ModelDeployed(**MODEL, label="canary", replaces=1, share=0.05),
            Line(
                "deploy",
                "version 2 answers 5 % of requests beside version 1, canary; how it does: tidemill release p",
                1,
                Outcome.SERVED,
            ),
        ),
        (
            ModelDeployed(**MODEL, label="shadow", replaces=1, share=0),
            Line(
                "deploy",
                "version 2 is asked in the shadow of version 1; how it does: tidemill release p",
                1,
                Outcome.SERVED,
            ),
        ),
        (
            ReleaseStepped(**MODEL, release=2, step=1, share=0.25),
            Line("deploy", "version 2 answers 25 % of requests, step 2", 1),
        ),
        (
            ModelWithdrawn(**MODEL, reason=REASON, answers=1320, failures=80),
            Line(
                "deploy",
                "version 2 withdrawn: too-small: expected 100 rows, received 3; "
                "it answered 1,320 requests and failed 80",
                1,
                Outcome.REFUSED,
            ),
        ),
        (
            PipelineDeleted(pipeline="p", deletion_id="1"),
            Line("delete", "specified no longer: its model answers no more", 0),
        ),
        (
            ModelWithdrawn(**MODEL, reason=REASON),
            Line(
                "deploy",
                "version 2 withdrawn: too-small: expected 100 rows, received 3",
                1,
                Outcome.REFUSED,
            ),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_is_told_in_words(data: EventData, line: Line) -> None:
    assert tell(data) == line
