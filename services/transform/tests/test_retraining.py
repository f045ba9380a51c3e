"""Rules of retraining on demand: the pipeline as it is now, over the spans there are, once per request."""

from pathlib import Path

import pytest
from transform_world import ROWS, World, a_request, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetTransformed
from tidemill_contracts.pipeline import Pipeline
from tidemill_runtime.consumer import Rejected, RetryLater


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A pipeline with two spans, of which each became a dataset version."""
    world = World(tmp_path)
    specify(world, a_spec())
    world.tell(a_span(world.store))
    world.tell(a_span(world.store, some_rows(first=ROWS)))
    return world


def specify(world: World, spec: Pipeline) -> None:
    world.store.write(layout.pipeline_spec("flights"), spec.to_json().encode())


def test_a_new_spec_over_old_spans_is_the_next_dataset(world: World) -> None:
    specify(world, a_spec(label="delay >= 10"))
    told = world.tell(a_request("monday"))

    assert isinstance(told, DatasetTransformed)
    assert (told.dataset, told.spans) == (3, (1, 2))
    assert told.spec_digest == a_spec(label="delay >= 10").digest()


def test_a_row_stays_on_its_side_when_other_columns_are_left_out(world: World) -> None:
    specify(world, a_spec(leaveOut=["leak", "carrier"]))
    before = world.tell(a_request("monday"))
    specify(world, a_spec(leaveOut=[]))
    after = world.tell(a_request("tuesday"))

    assert before != after
    assert world.held_out(before)["distance"] == world.held_out(after)["distance"]


def test_the_same_spec_over_the_same_spans_is_told_again_and_nothing_is_new(world: World) -> None:
    before = set(world.store.list("datasets/"))
    told = world.tell(a_request("monday"))

    assert isinstance(told, DatasetTransformed)
    assert (told.dataset, told.spans, told.requested) == (2, (1, 2), True)
    assert set(world.store.list("datasets/")) == before


def test_a_request_may_name_its_newest_span(world: World) -> None:
    specify(world, a_spec(label="delay >= 10"))
    told = world.tell(a_request("monday", span=1))

    assert isinstance(told, DatasetTransformed)
    assert (told.dataset, told.spans) == (3, (1,))


def test_a_request_asked_again_means_the_spec_and_spans_of_its_first_time(world: World) -> None:
    specify(world, a_spec(label="delay >= 10"))
    first = world.tell(a_request("monday"))
    a_span(world.store, some_rows(first=2 * ROWS))
    specify(world, a_spec(label="delay >= 20"))
    before = world.objects()

    assert world.tell(a_request("monday")) == first
    assert world.objects() == before
    assert world.tell(a_request("tuesday")) != first


@pytest.mark.parametrize(
    ("request_id", "span", "pipeline", "message"),
    [
        ("r", 3, "flights", "unknown-span: expected one of 2 spans, received 3"),
        ("r", None, "trains", "unknown-pipeline: .* received 'trains'"),
        ("r", None, "../flights", "unknown-pipeline"),
    ],
)
def test_a_request_for_what_there_is_not_goes_to_the_dead_letters(
    world: World, request_id: str, span: int | None, pipeline: str, message: str
) -> None:
    with pytest.raises(Rejected, match=message):
        world.tell(a_request(request_id, span=span, pipeline=pipeline))


def test_a_request_before_there_are_spans_goes_to_the_dead_letters(tmp_path: Path) -> None:
    world = World(tmp_path)
    specify(world, a_spec())

    with pytest.raises(Rejected, match="expected one of 0 spans, received None"):
        world.tell(a_request("monday"))


def test_a_request_under_a_spec_that_is_none_goes_to_the_dead_letters(world: World) -> None:
    world.store.write(layout.pipeline_spec("flights"), b"spec: {}")

    with pytest.raises(Rejected, match="invalid-spec"):
        world.tell(a_request("monday"))


def test_a_request_waits_for_a_span_that_is_not_committed_yet(world: World) -> None:
    world.store.create(layout.sequence_entry(layout.SPAN_SEQUENCE, "flights", 3), b"numbered-only")

    with pytest.raises(RetryLater, match="numbered-only"):
        world.tell(a_request("monday"))
