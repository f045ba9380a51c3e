"""Rules of what is kept beside a dataset version: a picture of it, and a schema to start from."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from transform_world import World, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.event import EventData
from tidemill_contracts.events import DatasetRejected, DatasetTransformed

# Flights of the second span go three times as far, always two of them.
FARTHER = {**some_rows(1), "distance": [number // 2 * 18 for number in range(1, 301)]}
DRIFT = "COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def kept(world: World, told: EventData, file: str) -> str:
    assert isinstance(told, DatasetTransformed | DatasetRejected)
    return world.store.read(layout.dataset(told.pipeline, told.dataset_id, file)).decode()


def test_a_dataset_has_a_picture_and_the_schema_that_its_rows_suggest(world: World) -> None:
    told = world.tell(a_span(world.store))

    assert "<b>flights</b> dataset 1" in kept(world, told, "report.html")
    assert yaml.safe_load(kept(world, told, "schema.yaml")) == {
        "columns": {
            "distance": {"type": "int"},
            "carrier": {"type": "string", "values": ["AA", "UA"]},
            "delay": {"type": "float"},
            "leak": {"type": "float"},
        }
    }


def test_the_same_rows_keep_the_schema_that_they_suggest(world: World) -> None:
    first = world.tell(a_span(world.store))
    columns = yaml.safe_load(kept(world, first, "schema.yaml"))["columns"]

    told = world.tell(a_span(world.store, spec=a_spec(columns=columns)))

    assert isinstance(told, DatasetTransformed)
    assert (told.rows_rejected, told.warnings) == (0, ())


def test_new_data_is_held_against_the_dataset_before_it(world: World) -> None:
    world.tell(a_span(world.store))

    told = world.tell(a_span(world.store, FARTHER))

    assert isinstance(told, DatasetTransformed)
    assert [warning.code for warning in told.warnings] == [DRIFT]
    assert "expected distance in the newest span within" in told.warnings[0].message
    assert "compared with dataset 1" in kept(world, told, "report.html")


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"validation": {"severities": {DRIFT: "block"}}}, DRIFT),
        ({"columns": {"distance": {"unique": True}}}, "FEATURE_TYPE_LOW_UNIQUE"),
        ({"label": "nowhere > 1"}, "label-missing-column"),
        ({"leaveOut": ["distance", "carrier", "leak"]}, "no-features"),
    ],
)
def test_a_refused_window_has_a_picture_with_the_reasons(world: World, spec: Any, code: str) -> None:
    world.tell(a_span(world.store))

    told = world.tell(a_span(world.store, FARTHER, spec=a_spec(**spec)))

    assert isinstance(told, DatasetRejected)
    assert code in [reason.code for reason in told.reasons]
    page = kept(world, told, "report.html")
    assert "Refused" in page
    assert code in page
