"""Rules of a card's content: rules one by one, honest limits, nothing of restricted columns."""

from dataclasses import replace

import pytest
from card_world import BROKEN, SERVED, a_card, told
from judging_world import data_for

from tidemill_contracts.events import Reason
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.making import Told, make_card
from tidemill_trainer.judging.verdict import Case, judge


@pytest.fixture(scope="module")
def known() -> Told:
    return told(data_for("binary"), "binary", {}, 1.0, {})


def states(card: ModelCard) -> dict[str, str]:
    return {check.name: check.state for check in card.checks}


def test_every_rule_is_listed_with_what_came_of_it(known: Told) -> None:
    reasons = (Reason(code="below-threshold", message="expected more"),)

    card = make_card(replace(known, reasons=reasons), "deep")

    assert (card.blessed, card.reasons) == (False, reasons)
    assert (card.checks[0].name, card.checks[0].details) == ("Thresholds", ("expected more",))
    assert list(states(card).values()).count("broken") == 1
    assert states(card)["Better than a constant"] == "held"
    assert states(card)["Thresholds in every slice"] == "skipped"


def test_the_linear_model_is_always_told_of(known: Told) -> None:
    card = make_card(known, "boosted-trees")

    (check,) = (check for check in card.checks if check.name == "Better than a linear model")
    assert check.details[0].startswith("roc_auc ")


def test_a_first_model_skips_what_needs_a_champion(known: Told) -> None:
    case = replace(known.case, incumbent=None)

    reasons = judge(case, known.spec.blessing)
    card = make_card(replace(known, case=case, champion=None, reasons=reasons), "deep")

    assert card.champion is None
    assert states(card)["No worse than the champion"] == "skipped"


def test_a_check_that_no_server_made_is_said_loudly(known: Told) -> None:
    case = replace(known.case, served=None)

    card = make_card(replace(known, case=case, not_served="no server answered"), "deep")

    assert states(card)["Loads and answers in a model server"] == "skipped"
    assert card.limits[0] == (
        "The model was not tried out in a model server, its latency is not known: no server answered."
    )


def test_a_code_that_no_rule_has_is_listed_too(known: Told) -> None:
    case = Case(data=known.case.data, findings=None, defects=(BROKEN,))

    card = make_card(replace(known, case=case, reasons=(BROKEN,)), "deep")

    assert states(card) == {"not-servable": "broken"}


def test_what_weakens_the_numbers_is_said(known: Told) -> None:
    limits = " ".join(make_card(known, "deep").limits)

    assert "Rows are taken to be independent" in limits
    assert "1 of 12 trials failed." in limits


def test_a_family_that_no_trial_had_time_for_is_said(known: Told) -> None:
    trials = [trial.model_copy(update={"is_cut_short": trial.family == "deep"}) for trial in known.trials]
    one_was_ready = [trials[0], trials[1].model_copy(update={"is_cut_short": False}), *trials[2:]]

    sentence = "The budget ended the training of deep too soon: with more it may be better."
    assert sentence in make_card(replace(known, trials=trials), "deep").limits
    assert sentence not in make_card(replace(known, trials=one_was_ready), "deep").limits


def test_one_weak_slice_of_a_column_and_all_useless_features_are_among_the_limits(known: Told) -> None:
    limits = " ".join(make_card(known, "deep").limits)

    assert limits.count("Worse where hour") == 1
    assert "2 of 4 features bring nothing that could be seen: noise, when." in limits


def test_sampled_rows_are_said(known: Told) -> None:
    manifest = known.manifest.model_copy(update={"rows_train": 8000, "rows_eval": 8000})

    card = make_card(replace(known, manifest=manifest), "deep")

    assert "Not all rows fit into the memory: it has learned from 25.0% of them." in card.limits
    assert (card.data.rows_learned, card.data.rows_measured) == (2000, 2000)


def test_classes_made_of_restricted_values_have_no_names() -> None:
    data = data_for("multiclass", 500)
    facts = told(data, "multiclass", {}, 1.0, {})
    spec = facts.spec.model_copy(update={"label": "CASE WHEN passport = 'x' THEN 'early' ELSE 'late' END"})

    card = make_card(replace(facts, spec=spec), "deep")

    assert card.classes == ("class 1", "class 2", "class 3")
    assert card.positive in card.classes
    assert [name for name, _ in card.data.label.classes] == list(card.classes)


def test_the_card_of_a_model_is_the_same_when_read_again() -> None:
    card = a_card()

    assert ModelCard.model_validate_json(card.model_dump_json()) == card
    assert card.served == SERVED
