"""Rules of windows: which spans a dataset version is made of, and what is read to find out."""

from pathlib import Path

import pytest
from transform_world import ROWS, World, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.manifest import Column, SpanManifest
from tidemill_runtime.folder import FolderStore
from tidemill_transform.window import Window, read_window


class CountingStore(FolderStore):
    """Counts the objects that were read."""

    reads = 0

    def read(self, name: str) -> bytes:
        self.reads += 1
        return super().read(name)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def spans_told(
    world: World, data: dict[str, object], *, spans: int, unlabelable: tuple[int, ...] = ()
) -> tuple[int, ...]:
    """The window of the last of some spans."""
    spec = a_spec(data=data)
    events = [
        a_span(
            world.store,
            {"carrier": ["UA"] * number} if number in unlabelable else some_rows(first=number * ROWS),
            spec=spec,
        )
        for number in range(1, spans + 1)
    ]
    told = world.tell(events[-1])
    assert isinstance(told, DatasetTransformed)
    return told.spans


@pytest.mark.parametrize(
    ("data", "unlabelable", "window"),
    [
        ({}, (), (1, 2, 3, 4, 5)),
        ({"last": 1}, (), (5,)),
        ({"last": 2}, (), (4, 5)),
        ({"last": 9}, (), (1, 2, 3, 4, 5)),
        ({"since": 3}, (), (3, 4, 5)),
        ({"exclude": [2, 4, 77]}, (), (1, 3, 5)),
        ({"last": 2, "exclude": [4]}, (), (3, 5)),
        ({"last": 3, "since": 4}, (), (4, 5)),
        ({}, (2, 3), (1, 4, 5)),
        ({"last": 2}, (3, 4), (2, 5)),
        ({"last": 4}, (1, 3), (2, 4, 5)),
    ],
)
def test_a_window_has_the_spans_that_its_pipeline_asks_for(
    world: World, data: dict[str, object], unlabelable: tuple[int, ...], window: tuple[int, ...]
) -> None:
    assert spans_told(world, data, spans=5, unlabelable=unlabelable) == window


@pytest.mark.parametrize("data", [{"exclude": [2]}, {"since": 3}])
def test_a_newest_span_that_is_not_wanted_is_rejected(world: World, data: dict[str, object]) -> None:
    spec = a_spec(data=data)
    a_span(world.store, spec=spec)
    told = world.tell(a_span(world.store, some_rows(first=ROWS), spec=spec))

    assert isinstance(told, DatasetRejected)
    assert [reason.code for reason in told.reasons] == ["span-excluded"]
    assert told.span == 2


def test_a_newest_span_that_cannot_be_labelled_is_rejected_whatever_came_before(world: World) -> None:
    world.tell(a_span(world.store))
    told = world.tell(a_span(world.store, {"distance": [1] * 30, "carrier": ["UA"] * 30}))

    assert isinstance(told, DatasetRejected)
    assert {reason.code for reason in told.reasons} >= {"label-missing-column"}


def test_a_span_whose_label_is_of_another_kind_is_left_out(world: World) -> None:
    spec = a_spec(label="delay")
    texts = {**some_rows(), "delay": ["late"] * ROWS}
    a_span(world.store, texts, types={"delay": "string"}, spec=spec)
    told = world.tell(a_span(world.store, spec=spec))

    assert isinstance(told, DatasetTransformed)
    assert told.spans == (2,)
    assert world.dataset(told).task == "regression"


def test_the_last_spans_are_found_without_reading_the_others(tmp_path: Path) -> None:
    store = CountingStore(tmp_path)
    for number in range(1, 401):
        manifest = SpanManifest.model_validate(
            {
                "pipeline": "flights",
                "span_id": f"{number}",
                "spec_digest": "d",
                "object_name": "o",
                "generation": 1,
                "size_bytes": 1,
                "rows": 1,
                "rows_rejected": 0,
                "columns": [Column(name="delay", type="float")],
            }
        )
        store.create(
            layout.span("flights", f"{number}", "manifest.json"), manifest.model_dump_json().encode()
        )
        store.create(layout.sequence_entry(layout.SPAN_SEQUENCE, "flights", number), f"{number}".encode())

    def window(**data: int) -> Window:
        spec = a_spec(data=data).spec
        return read_window(store, "flights", "d", 400, spec)

    assert tuple(window(last=3).spans) == (398, 399, 400)
    assert store.reads == 2 * 3
    assert len(window().spans) == 400
