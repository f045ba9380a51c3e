"""Which versions a policy selects, and in which order versions come and go."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_local.modelserver.model_config import Every, Latest, ModelConfig, Specific, VersionPolicy
from tidemill_local.modelserver.versions import State, Step, aspired_versions, next_step

NUMBERS = st.sets(st.integers(1, 6))


@pytest.mark.parametrize(
    ("policy", "numbers"),
    [
        (Latest(1), {10}),
        (Latest(2), {10, 9}),
        (Latest(9), {10, 9, 1}),
        (Every(), {10, 9, 1}),
        (Specific(frozenset({1, 5})), {1}),
    ],
)
def test_the_policy_chooses_among_numbered_folders(
    tmp_path: Path, policy: VersionPolicy, numbers: set[int]
) -> None:
    for name in ("1", "09", "10", "11.tmp", "-3", "notes", str(2**63)):
        (tmp_path / name).mkdir()

    assert aspired_versions(ModelConfig("m", tmp_path, policy, {})).keys() == numbers


def test_a_base_path_that_is_away_is_an_error_and_not_an_empty_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        aspired_versions(ModelConfig("m", tmp_path / "away", Latest(1), {}))


@pytest.mark.parametrize(
    ("aspired", "managed", "step"),
    [
        ({2}, {1: State.AVAILABLE}, Step("load", 2)),
        ({2}, {1: State.AVAILABLE, 2: State.LOADING}, None),
        ({2}, {1: State.AVAILABLE, 2: State.AVAILABLE}, Step("unload", 1)),
        ({2}, {1: State.AVAILABLE, 2: State.END}, None),
        (set(), {1: State.AVAILABLE, 2: State.AVAILABLE}, Step("unload", 1)),
        ({1, 2, 3}, {}, Step("load", 3)),
        ({4}, {1: State.AVAILABLE, 2: State.AVAILABLE}, Step("unload", 1)),
    ],
)
def test_the_next_step_keeps_a_version_that_answers(
    aspired: set[int], managed: dict[int, State], step: Step | None
) -> None:
    assert next_step(aspired, managed) == step


@given(NUMBERS, NUMBERS, NUMBERS)
def test_steps_end_at_what_is_aspired_and_never_leave_a_model_without_an_answer(
    aspired: set[int], present: set[int], failing: set[int]
) -> None:
    managed = dict.fromkeys(present, State.AVAILABLE)
    reachable = aspired - (failing - present)

    while step := next_step(aspired, managed):
        if step.action == "load":
            managed[step.number] = State.END if step.number in failing else State.AVAILABLE
        else:
            del managed[step.number]
        assert State.AVAILABLE in managed.values() or not present or not aspired

    available = {number for number, state in managed.items() if state is State.AVAILABLE}
    assert available == reachable if reachable or not aspired else len(available) <= 1
