"""Rules of the search, with families of which the quality is a hyper-parameter."""

import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stub_learner import PROPOSALS, QUICK, OneChoice, Proposing, StubLearner, StubTrained, stubs
from trainer_world import PIPELINE, a_training, write_dataset

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.training_spec import Family, Training
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.calibrated import Calibrated
from tidemill_trainer.data import TrainingData, load_dataset, read_manifest
from tidemill_trainer.families import Examples, Params, Watch
from tidemill_trainer.families.ensemble import Ensemble
from tidemill_trainer.objective import Objective
from tidemill_trainer.search.budget import Budget
from tidemill_trainer.search.finalists import Finalists
from tidemill_trainer.search.search import NOTHING_BEFORE, Before, NothingLearned, search
from tidemill_trainer.trainings import Trial

Learners = dict[Family, StubLearner]
FAMILIES: tuple[Family, ...] = ("deep", "boosted-trees", "random-forest")


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """TensorFlow takes seconds to load, which are not to count in budgets of seconds."""
    import tensorflow  # noqa: F401, ICN001, PLC0415


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    store, training = FolderStore(tmp_path_factory.mktemp("bucket")), a_training()
    write_dataset(store, training, rows=1000)
    return load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """So many rows that they are divided once."""
    store, training = FolderStore(tmp_path_factory.mktemp("bucket")), a_training()
    write_dataset(store, training, rows=13_000)
    return load_dataset(store, read_manifest(store, "flights", training.dataset_id), PIPELINE.spec)


def spec_of(**training: Any) -> PipelineSpec:
    return PIPELINE.spec.model_copy(update={"training": Training(**{"families": FAMILIES, **training})})


def searched(
    data: TrainingData,
    learners: Learners,
    *,
    seconds: float = float("inf"),
    before: Before = NOTHING_BEFORE,
    **training: Any,
) -> tuple[Finalists, list[Trial]]:
    noted: list[Trial] = []
    end = time.monotonic() + seconds
    finalists = search(
        data,
        spec_of(**training),
        budget=Budget(search_until=end, ends_at=end, looking_seconds=0),
        before=before,
        note=noted.append,
        load=learners.__getitem__,
    )
    return finalists, noted


def test_fast_trains_every_family_and_the_baseline_once_with_its_defaults(data: TrainingData) -> None:
    finalists, noted = searched(data, stubs(), budget="fast")

    assert sorted((trial.family, trial.origin, trial.state) for trial in noted) == [
        (family, "default", "finished") for family in ("boosted-trees", "deep", "linear", "random-forest")
    ]
    assert sorted(trial.number for trial in noted) == [0, 1, 2, 3]
    assert {finalist.family for finalist in finalists.members} == {"linear", *FAMILIES}


def test_rows_kept_aside_are_training_rows_and_were_not_learned(data: TrainingData) -> None:
    learners = stubs()

    finalists, _ = searched(data, learners, budget="fast")

    ((_, learned),) = learners["deep"].fits
    assert learned + len(finalists.kept) == len(data.train)
    assert 0.1 <= len(finalists.kept) / len(data.train) <= 0.2
    assert {len(finalist.answers) for finalist in finalists.members} == {len(finalists.kept)}


def test_few_rows_are_cross_validated_when_there_is_a_search(data: TrainingData) -> None:
    learners = stubs()

    finalists, noted = searched(data, learners, trials=4)

    assert len(learners["deep"].fits) == 5
    assert sorted(finalists.kept) == [*range(len(data.train))]
    deep = next(trial for trial in noted if trial.family == "deep")
    member = next(member for member in finalists.members if member.family == "deep")
    assert member.trained.params["folds"] == 5
    assert deep.score == member.score


def test_a_search_finds_better_than_the_defaults_and_repeats(data: TrainingData) -> None:
    finalists, noted = searched(data, stubs(), trials=24)
    again, _ = searched(data, stubs(), trials=24)

    best = {member.family: member.score for member in finalists.members}
    defaults = {trial.family: trial.score for trial in noted if trial.origin == "default"}
    assert len(noted) == 24
    assert any(best[family] > (defaults[family] or 0) + 0.1 for family in FAMILIES)
    assert best == {member.family: member.score for member in again.members}


def test_the_baseline_is_not_searched_unless_it_is_asked_for(data: TrainingData) -> None:
    _, noted = searched(data, stubs(), trials=12)
    _, asked = searched(data, stubs(), trials=12, families=("linear", "deep"))

    assert sum(trial.family == "linear" for trial in noted) == 1
    assert sum(trial.family == "linear" for trial in asked) > 1


def test_most_trials_are_of_the_best_family_some_of_its_equals_and_none_of_one_far_behind(
    data: TrainingData,
) -> None:
    learners = stubs(deep={"quality": 0.9}, boosted_trees={"quality": 0.9}, random_forest={"quality": 0.2})

    _, noted = searched(data, learners, trials=40)

    tried = Counter(trial.family for trial in noted if trial.origin == "search")
    assert 0.6 <= max(tried.values()) / tried.total() <= 0.8
    assert min(tried["boosted-trees"], tried["deep"]) > 5
    assert not tried["random-forest"]


def test_a_family_far_behind_gets_none_of_the_time_that_is_too_short_for_the_best(data: TrainingData) -> None:
    learners = stubs(boosted_trees={"quality": 0.9, "seconds": 0.4}, random_forest={"quality": 0.2})

    _, noted = searched(
        data, learners, seconds=4, budget="4s", families=("boosted-trees", "random-forest", "ensemble")
    )

    assert {trial.family for trial in noted if trial.origin == "search"} <= {"boosted-trees"}


def test_of_many_rows_neither_forests_nor_the_baseline_are_searched(many: TrainingData) -> None:
    learners = stubs(
        boosted_trees={"quality": 0.5}, random_forest={"quality": 0.49}, linear={"quality": 0.49}
    )
    before = Before(champion_params={"random-forest": {"quality": 0.1}, "linear": {"quality": 0.1}})

    _, noted = searched(
        many, learners, before=before, trials=12, families=("linear", "random-forest", "boosted-trees")
    )

    tried = Counter(trial.family for trial in noted if trial.origin != "default")
    assert set(tried) == {"boosted-trees"}


def test_what_a_family_proposes_is_tried_first_and_its_quick_choice_is_for_the_fast(
    data: TrainingData,
) -> None:
    proposing: dict[str, Any] = {"kind": Proposing, "quality": 0.5}

    _, noted = searched(data, stubs(deep={**proposing}), families=("deep",), trials=6)
    _, fast = searched(data, stubs(deep={**proposing}), families=("deep",), budget="fast")

    deep = [trial.params["quality"] for trial in noted if trial.family == "deep"]
    assert deep[:3] == [0.5, *(params["quality"] for params in PROPOSALS)]
    assert [trial.params for trial in fast if trial.family == "deep"] == [QUICK]


def test_a_budget_ends_with_the_other_folds_of_the_best_family(many: TrainingData) -> None:
    learners = stubs(boosted_trees={"kind": OneChoice, "quality": 0.9}, deep={"quality": 0.02})

    finalists, noted = searched(many, learners, seconds=60, budget="60s", families=("boosted-trees", "deep"))

    folds = {member.family: member.trained.params.get("folds") for member in finalists.members}
    assert folds == {"linear": None, "boosted-trees": 5, "deep": None}
    trees = next(member for member in finalists.members if member.family == "boosted-trees")
    assert [params for params, _ in learners["boosted-trees"].fits[-4:]] == [trees.params] * 4
    assert len(learners["boosted-trees"].fits) == 4 + sum(trial.family == "boosted-trees" for trial in noted)
    assert len(trees.answers) == len(finalists.kept)


def test_fast_and_a_number_of_trials_have_no_further_folds(many: TrainingData) -> None:
    for training in ({"budget": "fast"}, {"trials": 4}):
        finalists, _ = searched(many, stubs(), **training)

        assert all("folds" not in member.trained.params for member in finalists.members)


def test_what_failed_in_an_earlier_job_is_tried_again_once(data: TrainingData) -> None:
    _, noted = searched(data, stubs(deep={"error": ValueError("no memory")}), budget="fast")
    earlier = sorted(noted, key=lambda trial: trial.number)

    second, more = searched(data, stubs(), before=Before(finished=earlier), budget="fast")
    still = stubs(deep={"error": ValueError("no memory")})
    _, failed = searched(data, still, before=Before(finished=earlier), budget="fast")
    third, _ = searched(data, stubs(), before=Before(finished=[*earlier, *failed]), budget="fast")

    assert [(trial.family, trial.state) for trial in more] == [("deep", "finished")]
    assert (second.failed, "deep" in {member.family for member in second.members}) == ({}, True)
    assert third.failed == {"deep": "ValueError: no memory"}


def test_a_program_of_the_users_own_is_run_once_and_without_all_else(many: TrainingData) -> None:
    custom = OneChoice("custom", {})

    finalists, noted = searched(
        many,
        {**stubs(), "custom": custom},
        seconds=60,
        budget="60s",
        families=("custom",),
        custom={"command": ["train"]},
    )

    assert len(custom.fits) == 1
    assert {trial.origin for trial in noted if trial.family == "custom"} == {"default"}
    assert "custom" in {member.family for member in finalists.members}


def test_the_champions_parameters_are_tried_after_the_defaults_as_far_as_they_are_known(
    data: TrainingData,
) -> None:
    learners = stubs(deep={"quality": 0.1})
    before = Before(champion_params={"deep": {"quality": 0.7, "epochs": 12}})

    _, noted = searched(data, learners, before=before, trials=8)

    deep = [trial for trial in sorted(noted, key=lambda trial: trial.number) if trial.family == "deep"]
    assert [trial.origin for trial in deep[:2]] == ["default", "champion"]
    assert deep[1].params == {"quality": 0.7}


def test_a_family_with_one_choice_is_tried_once(data: TrainingData) -> None:
    _, noted = searched(data, stubs(deep={"kind": OneChoice}), families=("deep",), trials=10)

    assert [trial.family for trial in noted if trial.origin != "ablation"] == ["linear", "deep"]


def test_a_budget_holds_with_slow_families_and_trials_that_do_not_fit_are_not_begun(
    data: TrainingData,
) -> None:
    slow = {family: {"seconds": seconds} for family, seconds in (("deep", 0.4), ("boosted_trees", 0.1))}
    learners, begin = stubs(**slow), time.monotonic()

    _, noted = searched(data, learners, seconds=6, budget="6s", families=("deep", "boosted-trees"))

    took = time.monotonic() - begin
    assert 3.5 < took < 60
    # Five folds each: none was cut short.
    assert all(trial.seconds > 1.9 for trial in noted if trial.family == "deep" and trial.score)


def test_a_budget_too_small_for_one_fit_ends_it_early(data: TrainingData) -> None:
    learners, begin = stubs(deep={"seconds": 30}, linear={"seconds": 30}), time.monotonic()

    finalists, noted = searched(data, learners, seconds=0.5, budget="1s", families=("deep",))

    assert time.monotonic() - begin < 25
    assert "linear" in {member.family for member in finalists.members}
    assert all(trial.is_cut_short for trial in noted)


def test_of_little_time_every_family_has_its_share(many: TrainingData) -> None:
    names = ("linear", "deep", "random_forest", "boosted_trees")
    endless = stubs(**{name: {"seconds": 600} for name in names})

    finalists, _ = searched(many, endless, seconds=12, budget="12s")

    assert {member.family for member in finalists.members} == {"linear", *FAMILIES}


def test_hopeless_trials_are_pruned(data: TrainingData) -> None:
    learners = stubs(deep={"steps": 5, "quality": 0.9})

    _, noted = searched(data, learners, trials=30, families=("deep",))

    states = {trial.state for trial in noted if trial.origin == "search"}
    assert states == {"finished", "pruned"}
    assert all(trial.score is None for trial in noted if trial.state == "pruned")


def test_a_family_that_fails_is_told_and_holds_up_no_other(data: TrainingData) -> None:
    learners = stubs(deep={"error": ValueError("no network")}, random_forest={"unsupported": "no forest"})

    finalists, noted = searched(data, learners, budget="fast")

    failed = next(trial for trial in noted if trial.state == "failed")
    assert (failed.family, failed.message) == ("deep", "ValueError: no network")
    assert {member.family for member in finalists.members} == {"linear", "boosted-trees"}
    assert finalists.failed == {"deep": "ValueError: no network", "random-forest": "no forest"}


def test_answers_that_are_no_numbers_are_no_result(data: TrainingData) -> None:
    finalists, _ = searched(data, stubs(deep={"quality": float("nan")}), budget="fast")

    assert "roc_auc" in finalists.failed["deep"]


def test_without_any_family_that_learns_the_reasons_are_given(data: TrainingData) -> None:
    broken = {name: {"error": ValueError(f"no {name}")} for name in ("linear", "deep")}

    with pytest.raises(NothingLearned, match=r"deep: ValueError: no deep; linear: .*no linear"):
        searched(data, stubs(**broken), families=("deep",), budget="fast")


def test_a_job_goes_on_where_an_earlier_one_was_cut_short(data: TrainingData) -> None:
    _, noted = searched(data, stubs(), trials=15)
    trials, learners = sorted(noted, key=lambda trial: trial.number)[:10], stubs()

    finalists, more = searched(data, learners, before=Before(finished=trials), trials=15)

    numbers = [trial.number for trial in more]
    assert min(numbers) == 10
    assert len(numbers) == 5
    assert not {"default", "ablation"} & {trial.origin for trial in more if trial.family == "linear"}
    assert {member.family for member in finalists.members} == {"linear", *FAMILIES}
    best = {member.family: member.score for member in finalists.members}
    for family in FAMILIES:
        known = [trial.score for trial in [*trials, *more] if trial.family == family and trial.score]
        assert best[family] == pytest.approx(max(known))
        # Of the earlier ones only a winner is trained again.
        before = {str(trial.params) for trial in trials if trial.family == family}
        assert len(before.intersection(str(params) for params, _ in learners[family].fits)) <= 1


def test_only_the_best_is_trained_again_when_there_is_no_time_for_more(data: TrainingData) -> None:
    _, noted = searched(data, stubs(deep={"quality": 0.8}), budget="fast")
    slow = [trial.model_copy(update={"seconds": 100.0}) for trial in noted]

    finalists, _ = searched(data, stubs(), before=Before(finished=slow), seconds=5, budget="5s")

    assert [member.family for member in finalists.members] == ["deep"]


def test_features_that_do_not_help_are_left_out_of_one_more_trial(data: TrainingData) -> None:
    finalists, noted = searched(data, stubs(deep={"quality": 0.9}), families=("deep",), trials=4)

    (ablation,) = (trial for trial in noted if trial.origin == "ablation")
    deep = next(member for member in finalists.members if member.family == "deep")
    # The stub's model reads the hour alone.
    assert "Sched. dep (h)" not in ablation.left_out
    assert {"day", "distance", "Carrier"} <= set(ablation.left_out)
    assert deep.left_out == ablation.left_out
    assert {feature.name for feature in deep.trained.plan.features}.isdisjoint(ablation.left_out)


def test_scores_are_of_the_deciding_metric(data: TrainingData) -> None:
    finalists, noted = searched(data, stubs(deep={"quality": 0.6}), budget="fast")

    deep = next(member for member in finalists.members if member.family == "deep")
    labels = data.train.labels[finalists.kept]
    pairs = deep.answers[labels][:, None] - deep.answers[~labels][None]
    expected = np.mean(pairs > 0) + np.mean(pairs == 0) / 2
    assert deep.score == pytest.approx(expected)
    assert {trial.metric for trial in noted} == {"roc_auc"}


@dataclass(frozen=True)
class SureTrained(StubTrained):
    """Says of each class of two how likely it is, and is right as often as its quality."""

    def answer(self, examples: Examples) -> NDArray[np.float32]:
        draws = np.random.default_rng(len(self.family)).random(len(examples))
        said = np.where(draws < float(self.params["quality"]), examples.labels, 1 - examples.labels)
        chances = np.where(said[:, None] == [0, 1], self.params["sure"], 1 - float(self.params["sure"]))
        return chances.astype(np.float32)


class SureLearner(StubLearner):
    """Learns to be sure of itself."""

    def fit(self, learn: Examples, check: Examples, params: Params, seed: int, watch: Watch) -> StubTrained:  # noqa: ARG002
        return SureTrained(self.family, params, learn.plan, learn.objective)


def test_models_of_several_classes_are_corrected_before_they_are_mixed(data: TrainingData) -> None:
    classes = replace(
        data,
        objective=Objective(task="multiclass", metric="log_loss", classes=("on time", "late")),
        train=replace(data.train, labels=data.train.labels.astype(np.int32)),
    )
    learners: Learners = {
        "linear": SureLearner("linear", {"quality": 0.5, "sure": 0.5}),
        "deep": SureLearner("deep", {"quality": 0.8, "sure": 0.8}),
        "boosted-trees": SureLearner("boosted-trees", {"quality": 0.85, "sure": 0.9999}),
    }

    finalists, _ = searched(classes, learners, budget="fast", families=("deep", "boosted-trees", "ensemble"))

    mixed = finalists.members[-1].trained
    mixed = mixed.trained if isinstance(mixed, Calibrated) else mixed
    assert isinstance(mixed, Ensemble)
    temperatures = {member.family: member.params.get("temperature", 1) for member in mixed.members}
    assert float(temperatures["boosted-trees"]) > 3
    assert temperatures["deep"] == 1
    # Found once: the member that stands for itself is corrected by the very same.
    alone = {member.family: member.trained for member in finalists.members}
    corrected = next(member for member in mixed.members if member.family == "boosted-trees")
    assert isinstance(corrected, Calibrated)
    assert isinstance(alone["boosted-trees"], Calibrated)
    assert alone["boosted-trees"].correction is corrected.correction
