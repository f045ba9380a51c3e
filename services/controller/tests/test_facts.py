"""Rules of what is remembered: any order and any repetition of the same events come to the same."""

from datetime import timedelta

import pytest
from controller_world import NOON
from hypothesis import given
from hypothesis import strategies as st

from tidemill_contracts.event import Event, EventData, event_id
from tidemill_contracts.events import (
    TYPE_NAMES,
    DatasetIngested,
    DatasetRejected,
    DatasetTransformed,
    DropQuarantined,
    ModelBlessed,
    ModelDeployed,
    ModelRejected,
    ModelSuperseded,
    ModelWithdrawn,
    Reason,
    TrialFinished,
)
from tidemill_controller.facts import KEPT_OF_EACH_KIND, Facts, fact_of, fold
from tidemill_controller.summary import Summary, summarise

WHY = Reason(code="too-few-rows", message="expected 100 rows, received 3")


def ingested(span: int) -> DatasetIngested:
    return DatasetIngested(
        pipeline="m",
        spec_digest="s",
        span=span,
        span_id=f"{span}",
        object_name="drops/m/a.csv",
        generation=span,
        rows=3,
        rows_rejected=0,
        columns=2,
        seconds=1,
    )


def quarantined(number: int) -> DropQuarantined:
    return DropQuarantined(
        pipeline="m",
        object_name=f"drops/m/{number}.csv",
        generation=number,
        reason=WHY,
        quarantine_name=None,
        seconds=1,
    )


def transformed(number: int) -> DatasetTransformed:
    return DatasetTransformed(
        pipeline="m",
        spec_digest="s",
        dataset=number,
        dataset_id=f"{number}",
        spans=(number,),
        rows_in=3,
        rows_train=2,
        rows_eval=1,
        rows_unlabelled=0,
        seconds=1,
    )


def refused_data(span: int) -> DatasetRejected:
    return DatasetRejected(pipeline="m", span=span, dataset_id="d", reasons=(WHY,), seconds=1)


def trial(version: int, number: int = 0) -> TrialFinished:
    return TrialFinished(
        pipeline="m",
        model_id=f"{version}",
        trial=number,
        family="deep",
        metric="roc_auc",
        score=0.7,
        best=0.7,
        state="finished",
        seconds=1,
    )


def blessed(version: int) -> ModelBlessed:
    return ModelBlessed(
        pipeline="m",
        version=version,
        model_id=f"{version}",
        dataset=version,
        dataset_id="d",
        family="deep",
        metrics={"accuracy": 0.9, "roc_auc": 0.7 + version / 100},
        champion=None,
        seconds=1,
    )


def rejected(version: int) -> ModelRejected:
    facts = blessed(version).model_dump()
    return ModelRejected(**{**facts, "reasons": (WHY,)})


def deployed(version: int, label: str = "stable", release: int = 0) -> ModelDeployed:
    return ModelDeployed.model_validate(
        {
            "pipeline": "m",
            "version": version,
            "model_id": f"{version}",
            "label": label,
            "replaces": None,
            "release": release or version,
            "seconds": 1,
        }
    )


def withdrawn(version: int, reason: Reason = WHY) -> ModelWithdrawn:
    return ModelWithdrawn(
        pipeline="m", version=version, model_id=f"{version}", reason=reason, release=version, seconds=1
    )


def told(*data: EventData) -> list[Event]:
    """Tell events, a minute after another."""
    return [
        Event(
            type=TYPE_NAMES[type(each)],
            source="/test",
            subject=each.subject,
            data=each,
            id=event_id(TYPE_NAMES[type(each)], each.subject),
            time=NOON + timedelta(minutes=minute),
            correlation_id="c",
        )
        for minute, each in enumerate(data)
    ]


def folded(events: list[Event]) -> Facts:
    facts: Facts = ()
    for event in events:
        fact = fact_of(event)
        facts = facts if fact is None else fold(facts, fact)
    return facts


def after(*data: EventData) -> Summary:
    return summarise(folded(told(*data)))


STORY = (
    *(ingested(1), transformed(1), trial(1), trial(1, 1), blessed(1), deployed(1)),
    *(ingested(2), refused_data(2), quarantined(3)),
    *(ingested(4), transformed(2), rejected(2), transformed(3), blessed(3)),
    *(deployed(3, "canary"), deployed(3, release=4), withdrawn(3), deployed(1, release=5)),
)


@given(st.permutations(told(*STORY)), st.lists(st.integers(0, len(STORY) - 1)))
def test_any_order_and_any_repetition_come_to_the_same(order: list[Event], again: list[int]) -> None:
    assert folded([*order, *(order[index] for index in again)]) == folded(told(*STORY))


@given(st.permutations([*told(*STORY), *told(blessed(9), *STORY)]))
def test_a_fact_that_is_told_anew_counts_from_the_first_time(order: list[Event]) -> None:
    assert folded(order) == folded([*told(*STORY), *told(blessed(9))])


def test_only_the_last_facts_of_each_kind_are_kept() -> None:
    facts = folded(told(blessed(1), deployed(1), *(ingested(span) for span in range(1, 40))))

    assert len(facts) == KEPT_OF_EACH_KIND + 2
    assert summarise(facts).spans == 39
    assert summarise(facts).metric == "roc_auc 0.7100"


MANY = range(2, KEPT_OF_EACH_KIND + 4)


def test_a_champion_is_known_with_its_metric_however_many_failed_beside_it() -> None:
    failed = [(blessed(each), deployed(each, "canary"), withdrawn(each)) for each in MANY]
    summary = after(blessed(1), deployed(1), *(event for events in failed for event in events))

    assert (summary.stage, summary.champion, summary.candidate) == ("Serving", 1, None)
    assert summary.metric == "roc_auc 0.7100"


def test_a_candidate_is_over_however_much_happened_since() -> None:
    failed = after(deployed(1), deployed(2, "canary"), withdrawn(2), *(withdrawn(each) for each in MANY))
    released = after(deployed(1), deployed(2, "canary"), *(deployed(each) for each in MANY))

    assert (failed.stage, failed.candidate) == ("Serving", None)
    assert (released.stage, released.candidate) == ("Serving", None)


def test_a_way_back_of_the_champion_leaves_the_candidate() -> None:
    back = after(deployed(1), deployed(2), deployed(3, "canary"), withdrawn(2), deployed(1, release=4))

    assert (back.champion, back.candidate) == (1, 3)


@pytest.mark.parametrize(
    ("data", "stage"),
    [
        ((), "Waiting"),
        ((ingested(1),), "Ingested"),
        ((ingested(1), quarantined(2)), "Rejected"),
        ((ingested(1), transformed(1)), "Transformed"),
        ((ingested(1), refused_data(1)), "Rejected"),
        ((transformed(1), trial(1), trial(1, 1)), "Training"),
        ((trial(1), blessed(1)), "Blessed"),
        ((trial(1), rejected(1)), "Rejected"),
        ((blessed(1), deployed(1)), "Serving"),
        ((deployed(1), deployed(2, "canary")), "Released"),
        ((deployed(1), deployed(2, "canary"), withdrawn(2)), "Serving"),
        ((blessed(1), withdrawn(1)), "Rejected"),
    ],
)
def test_the_stage_is_what_happened_last(data: tuple[EventData, ...], stage: str) -> None:
    assert after(*data).stage == stage


def test_the_champion_is_the_stable_version_with_its_metric() -> None:
    beside = after(blessed(1), deployed(1), blessed(2), deployed(2, "canary"))
    instead = after(blessed(1), deployed(1), blessed(2), deployed(2, "canary"), deployed(2, release=3))
    back = after(blessed(1), deployed(1), blessed(2), deployed(2), withdrawn(2), deployed(1, release=3))

    assert (beside.champion, beside.candidate, beside.metric) == (1, 2, "roc_auc 0.7100")
    assert (instead.champion, instead.candidate, instead.metric) == (2, None, "roc_auc 0.7200")
    assert (back.champion, back.candidate, back.metric) == (1, None, "roc_auc 0.7100")


def test_a_problem_is_told_until_something_of_its_kind_goes_well() -> None:
    dropped = after(ingested(1), quarantined(2))
    assert dropped.bad_data is not None
    assert (dropped.bad_data.code, dropped.problem) == ("too-few-rows", dropped.bad_data)
    assert dropped.bad_data.text == "drops/m/2.csv: expected 100 rows, received 3"

    assert after(quarantined(2), ingested(3)).problem is None
    assert after(refused_data(1), ingested(2)).bad_data is not None
    assert after(refused_data(1), transformed(2)).bad_data is None
    assert after(rejected(1), transformed(2), blessed(2)).problem is None
    assert after(rejected(1), deployed(3)).problem is not None
    assert after(rejected(1)).bad_data is None


def test_a_candidate_that_gave_way_to_a_newer_one_is_no_problem() -> None:
    why = Reason(code="superseded", message="version 3 is released instead")

    assert after(deployed(1), deployed(2, "canary"), withdrawn(2, why)).problem is None
    assert after(deployed(1), deployed(2, "canary"), withdrawn(2)).problem is not None


def test_what_says_nothing_to_a_person_is_no_fact() -> None:
    superseded = ModelSuperseded(
        pipeline="m",
        model_id="1",
        dataset=1,
        dataset_id="d",
        by_dataset=2,
        by_model_id="2",
        seconds=0,
    )

    assert folded(told(superseded)) == ()
