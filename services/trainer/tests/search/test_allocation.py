"""Rules of whose hyper-parameters are searched, by what is known of each family."""

import pytest

from tidemill_contracts.training_spec import Family
from tidemill_trainer.search.allocation import choose_family, contenders

ADULT: dict[Family, float] = {"boosted-trees": -0.9331, "deep": -0.9197, "random-forest": -0.9228}
ALL_FAMILIES: tuple[Family, ...] = ("boosted-trees", "deep", "random-forest")


def test_of_many_rows_a_percent_behind_is_far_behind() -> None:
    assert contenders(ADULT, constant=-0.5, rows=39_000, rows_kept=7_800) == ["boosted-trees"]


def test_few_rows_do_not_tell_families_apart() -> None:
    assert len(contenders(ADULT, constant=-0.5, rows=700, rows_kept=700)) == 3


@pytest.mark.parametrize(("rows", "others"), [(9_999, ["random-forest"]), (10_000, [])])
def test_a_forest_as_good_as_the_best_is_searched_of_few_rows(rows: int, others: list[Family]) -> None:
    values: dict[Family, float] = {"random-forest": -0.9, "deep": -0.901}

    assert contenders(values, constant=-0.5, rows=rows, rows_kept=5_000) == ["deep", *others]


def test_the_best_is_searched_whatever_it_is() -> None:
    assert contenders({"random-forest": 0.3}, constant=0.2, rows=50_000, rows_kept=5_000) == ["random-forest"]


def test_costly_trials_of_others_keep_within_their_share() -> None:
    cost: dict[Family, float] = {"boosted-trees": 2.0, "deep": 10.0, "random-forest": 0.1}
    spent: dict[Family, float] = dict.fromkeys(ALL_FAMILIES, 0.0)
    for _ in range(2000):
        family = choose_family(ALL_FAMILIES, spent, cost)
        spent[family] += cost[family]
        assert spent["boosted-trees"] >= 0.69 * sum(spent.values()) - cost["boosted-trees"]

    assert spent["deep"] / sum(spent.values()) == pytest.approx(0.15, abs=0.02)
