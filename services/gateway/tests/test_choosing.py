"""What is known of a version outlasts a change of its route."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from tidemill_gateway.calls import Call, Part
from tidemill_gateway.model_servers import ModelServers
from tidemill_gateway.paths import ModelRef
from tidemill_gateway.releasing.breaking import WINDOW
from tidemill_gateway.releasing.choices import Choice, Subject
from tidemill_gateway.releasing.choosing import Chooser
from tidemill_gateway.releasing.observations import Observations
from tidemill_gateway.releasing.shadowing import MAX_WAITING_BYTES, Shadows
from tidemill_gateway.routes import Route, RouteBook, Split, Target, Variant

BANDIT = Route(
    "127.0.0.1:1",
    1,
    frozenset({1, 2, 3}),
    {},
    variants=(Variant("canary", 2, 1),),
    split=Split.BANDIT,
    shadow_versions=(3,),
    release=7,
)


@pytest.fixture
def shadows() -> Shadows:
    return Shadows(ModelServers(1), Observations())


async def chosen(book: RouteBook, chooser: Chooser, route: Route) -> Choice:
    await book.replace({"m": route})
    return chooser.choose(Call(ModelRef("m"), "rest", "tfs", "1", 0.0))


async def test_a_version_that_fails_is_spared_requests_though_its_rewards_change(shadows: Shadows) -> None:
    book = RouteBook()
    chooser = Chooser(book, shadows.of)
    first = await chosen(book, chooser, BANDIT)
    assert first.breaker is not None
    for _ in range(WINDOW):
        first.breaker.record(failed=True)

    rewarded = replace(BANDIT, variants=(Variant("canary", 2, 1, successes=1),))
    diverted = [(await chosen(book, chooser, rewarded)).instead_of is not None for _ in range(10)]
    released_again = await chosen(book, chooser, replace(BANDIT, release=8))

    assert diverted.count(True) == 9
    assert released_again.instead_of is None


async def test_a_shadow_is_the_same_while_its_route_changes(shadows: Shadows) -> None:
    book = RouteBook()
    chooser = Chooser(book, shadows.of)
    stable = replace(BANDIT, variants=())

    first = await chosen(book, chooser, stable)
    changed = await chosen(book, chooser, replace(stable, log_share=0.5))
    released_again = await chosen(book, chooser, replace(stable, release=8))

    assert len(first.mirrors) == 1
    assert changed.mirrors == first.mirrors
    assert released_again.mirrors != first.mirrors


async def test_texts_count_among_the_bytes_that_may_wait_for_a_shadow() -> None:
    observations = Observations()
    subject = Subject("m", 3, 7, "shadow")
    shadow = Shadows(ModelServers(1), observations).of(Target("127.0.0.1:1", "m", 3), subject)
    texts = np.array([b"x" * (MAX_WAITING_BYTES + 1)], object)

    shadow.reflect("serving_default", Part({"x": texts}, {"y": np.zeros(1)}))

    compared = observations.of(subject).compared
    assert compared is not None
    assert compared.skipped == 1


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        pytest.param("y", np.zeros(1, "V2"), id="bfloat16"),
        pytest.param("probabilities", np.zeros((1, 2), "V2"), id="bfloat16 by class"),
        pytest.param("probabilities", np.array([[b"a", b"b"]], object), id="texts called probabilities"),
    ],
)
def test_an_answer_that_has_no_bucket_is_no_failure(name: str, answer: NDArray[np.void]) -> None:
    observations = Observations()
    subject = Subject("m", 2, 7, "canary")

    assert observations.answered(subject, 0.1, Part({}, {name: answer}))

    assert observations.of(subject).answers == {}
