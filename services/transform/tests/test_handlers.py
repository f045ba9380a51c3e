"""Rules of transform: a window of spans becomes one dataset version, whatever happens on the way."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from transform_catalog import open_catalog
from transform_world import ROWS, Columns, World, a_span, a_spec, some_rows

from tidemill_contracts import layout
from tidemill_contracts.events import DatasetRejected, DatasetTransformed
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.profile import Profile
from tidemill_runtime.consumer import Rejected, RetryLater
from tidemill_runtime.sequence import Sequence
from tidemill_transform.app import load_engine
from tidemill_transform.errors import RowsLost
from tidemill_transform.plan import Plan, Report


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def distances(rows: pa.Table) -> set[float]:
    return set(rows["distance"].to_pylist())


def test_every_row_is_on_one_side_or_counted_as_unlabelled(world: World) -> None:
    told = world.tell(a_span(world.store, row_group_rows=64))

    train, held_out = world.train(told), world.held_out(told)
    columns = some_rows()
    rows = zip(columns["distance"], columns["delay"], strict=True)
    labelled = {distance for distance, delay in rows if delay is not None}
    assert isinstance(told, DatasetTransformed)
    assert (told.rows_in, told.rows_unlabelled) == (ROWS, ROWS - len(labelled))
    assert (told.rows_train, told.rows_eval) == (train.num_rows, held_out.num_rows)
    assert told.rows_train + told.rows_eval == len(labelled)
    assert distances(train) | distances(held_out) == labelled
    assert not distances(train) & distances(held_out)
    assert len(world.dataset(told).train_files) == len(range(0, ROWS, 64))


def test_the_label_is_what_the_expression_says_of_each_row(world: World) -> None:
    told = world.tell(a_span(world.store))

    for rows in (world.train(told), world.held_out(told)):
        assert rows[LABEL_COLUMN].to_pylist() == [delay >= 15 for delay in rows["delay"].to_pylist()]


def test_the_profile_describes_the_training_rows(world: World) -> None:
    told = world.tell(a_span(world.store, row_group_rows=64))

    profile, train = world.profile(told), world.train(told)
    distance, carrier = profile.column("distance").numeric, profile.column("carrier")
    assert profile.rows == train.num_rows
    assert dict(profile.label.classes)["true"] == sum(train[LABEL_COLUMN].to_pylist())
    assert distance is not None
    assert (distance.minimum, distance.maximum) == (min(distances(train)), max(distances(train)))
    assert carrier.nulls == train["carrier"].null_count
    assert carrier.categorical is not None
    counted = {text: train["carrier"].to_pylist().count(text) for text in ("UA", "AA")}
    assert dict(carrier.categorical.vocabulary) == counted


def test_columns_that_give_the_label_away_are_never_features(world: World) -> None:
    told = world.tell(a_span(world.store))

    dataset = world.dataset(told)
    features = {feature.name: feature.kind for feature in dataset.features}
    assert features == {"distance": "numeric", "carrier": "categorical"}
    assert {column.name: column.reason for column in dataset.left_out} == {
        "delay": "The label or the weight is computed from it.",
        "leak": "The pipeline leaves it out.",
    }


def test_a_redelivery_tells_the_same_and_writes_nothing(world: World) -> None:
    event = a_span(world.store)
    first = world.tell(event)
    before = world.objects()

    again = world.tell(event)

    assert isinstance(first, DatasetTransformed)
    assert first.seconds > 0
    assert again == first
    assert world.objects() == before


def test_a_rejection_is_told_the_same_again_and_writes_nothing(world: World) -> None:
    event = a_span(world.store, spec=a_spec(label="nowhere > 1"))
    first = world.tell(event)
    before = world.objects()

    again = world.tell(event)

    assert isinstance(again, DatasetRejected)
    assert again == first
    assert world.objects() == before


def test_two_deliveries_at_once_become_one_dataset(world: World) -> None:
    event = a_span(world.store)
    with ThreadPoolExecutor(2) as deliveries:
        one, other = deliveries.map(world.tell, [event, event])

    assert one == other
    assert len([name for name in world.objects() if name.endswith("manifest.json")]) == len(
        ("span", "dataset")
    )


def test_spans_told_out_of_order_become_the_same_datasets(tmp_path: Path) -> None:
    contents = []
    for order in ((0, 1), (1, 0)):
        world = World(tmp_path / str(order))
        events = [a_span(world.store), a_span(world.store, some_rows(first=ROWS))]
        told = [world.dataset(world.tell(events[place])) for place in order]
        assert [dataset.spans for dataset in told] == [((1,), (1, 2))[place] for place in order]
        assert [dataset.dataset for dataset in told] == [1, 2]
        contents.append(world.contents())

    assert contents[0] == contents[1]


def test_a_window_waits_for_a_lower_span_that_is_not_there_yet(world: World) -> None:
    Sequence(world.store, layout.SPAN_SEQUENCE, "flights").allocate("numbered-only")
    event = a_span(world.store)

    with pytest.raises(RetryLater, match=r"spans/flights/numbered-only/manifest\.json"):
        world.tell(event)

    assert not world.store.list("datasets/")


def test_a_span_is_waited_for_until_it_has_its_number(world: World) -> None:
    event = a_span(world.store)
    world.store.delete(layout.sequence_entry(layout.SPAN_SEQUENCE, "flights", 1))

    with pytest.raises(RetryLater, match="span 1"):
        world.tell(event)


def test_a_pinned_spec_that_is_none_goes_to_the_dead_letters(world: World) -> None:
    event = a_span(world.store)
    world.store.write(layout.pinned_spec("flights", a_spec().digest()), b"spec: {}")

    with pytest.raises(Rejected, match="invalid-spec"):
        world.tell(event)


def test_a_row_stays_on_its_side_in_later_windows_and_spans(world: World) -> None:
    first = world.tell(a_span(world.store))
    same_rows = {**some_rows(), "gate": [None] * ROWS}
    both = world.tell(a_span(world.store, same_rows, types={"distance": "float", "gate": "string"}))

    assert world.train(both).num_rows == 2 * world.train(first).num_rows
    assert distances(world.train(both)) == distances(world.train(first))
    assert distances(world.held_out(both)) == distances(world.held_out(first))


def test_spans_are_united_in_the_widest_type_with_nulls_for_missing_columns(world: World) -> None:
    world.tell(a_span(world.store))
    fractions = [row + 0.5 for row in range(ROWS)]
    later = {**some_rows(first=ROWS), "distance": fractions, "gate": ["A", "B", "C"] * (ROWS // 3)}
    told = world.tell(a_span(world.store, later, types={"distance": "float", "gate": "string"}))

    train = world.train(told)
    of_first_span = [distance % 1 == 0 for distance in train["distance"].to_pylist()]
    assert train.schema.field("distance").type == pa.float64()
    assert [gate is None for gate in train["gate"].to_pylist()] == of_first_span
    assert set(of_first_span) == {True, False}


def test_a_kill_before_the_commit_changes_nothing_in_the_end(tmp_path: Path) -> None:
    def run_and_die(plan: Plan) -> Report:
        load_engine()(plan)
        raise Killed

    undisturbed, killed = World(tmp_path / "undisturbed"), World(tmp_path / "killed")
    undisturbed.tell(a_span(undisturbed.store))
    event = a_span(killed.store)
    with pytest.raises(Killed):
        killed.tell(event, run_and_die)

    killed.tell(event)

    assert killed.contents() == undisturbed.contents()


@pytest.mark.parametrize("side", ["train", "eval", "newest"])
def test_a_profile_that_lost_rows_is_never_committed(world: World, side: str) -> None:
    def lossy(plan: Plan) -> Report:
        report = load_engine()(plan)
        profile: Profile = getattr(report, side)
        return report.model_copy(update={side: profile.model_copy(update={"rows": profile.rows - 1})})

    with pytest.raises(RowsLost, match="profile: expected"):
        world.tell(a_span(world.store), lossy)


def test_the_first_profile_of_a_dataset_stays(world: World) -> None:
    event = a_span(world.store)
    told = world.tell(event)
    assert isinstance(told, DatasetTransformed)
    manifest, profile = (
        layout.dataset("flights", told.dataset_id, file) for file in ("manifest.json", "profile.json")
    )
    world.store.delete(manifest)
    world.store.write(profile, b"of the pass that was killed before its commit")

    world.tell(event)

    assert world.store.read(profile) == b"of the pass that was killed before its commit"


@pytest.mark.parametrize(
    "lost",
    [{"rows_read": 1, "rows_unlabelled": 1}, {"rows_read": 1}, {"rows_train": 1}, {"rows_unlabelled": -1}],
)
def test_a_pass_that_lost_rows_is_never_committed(world: World, lost: dict[str, int]) -> None:
    def lossy(plan: Plan) -> Report:
        report = load_engine()(plan)
        part = report.parts[0]
        changed = {field: getattr(part, field) - rows for field, rows in lost.items()}
        return report.model_copy(update={"parts": (part.model_copy(update=changed), *report.parts[1:])})

    event = a_span(world.store, row_group_rows=64)
    with pytest.raises(RowsLost, match="span 1"):
        world.tell(event, lossy)

    assert isinstance(world.tell(event), DatasetTransformed)


def test_a_part_that_comes_out_in_place_of_another_is_never_committed(world: World) -> None:
    def confused(plan: Plan) -> Report:
        report = load_engine()(plan)
        return report.model_copy(update={"parts": (report.parts[1], *report.parts[1:])})

    with pytest.raises(RowsLost, match="parts: expected"):
        world.tell(a_span(world.store, row_group_rows=ROWS // 4), confused)


def test_the_rows_of_every_span_can_be_queried(world: World) -> None:
    world.tell(a_span(world.store))
    world.tell(a_span(world.store, some_rows(first=ROWS), spec=a_spec(label="nowhere > 1")))

    with open_catalog(world.warehouse) as catalog:
        counts = catalog.sql(
            "SELECT span, count(*) FROM flights_spans GROUP BY span ORDER BY span"
        ).fetchall()

    assert counts == [(1, ROWS), (2, ROWS)]


def test_a_missing_warehouse_has_no_tables(tmp_path: Path) -> None:
    with open_catalog(tmp_path / "none") as catalog, pytest.raises(duckdb.CatalogException):
        catalog.sql("FROM events")


def test_a_span_that_cannot_be_labelled_spoils_none_after_it(world: World) -> None:
    wrong: Columns = {"distance": ["far"] * 30, "carrier": ["UA"] * 30}
    rejected = world.tell(a_span(world.store, wrong, types={"distance": "string"}))
    told = world.tell(a_span(world.store))

    assert isinstance(rejected, DatasetRejected)
    assert isinstance(told, DatasetTransformed)
    assert (told.spans, told.rows_in) == ((2,), ROWS)
    assert ("distance", "numeric") in {
        (feature.name, feature.kind) for feature in world.dataset(told).features
    }


def test_only_an_accepted_window_takes_a_dataset_number(world: World) -> None:
    world.tell(a_span(world.store, {"carrier": ["UA"] * 30}))
    told = world.tell(a_span(world.store))

    assert isinstance(told, DatasetTransformed)
    assert told.dataset == 1
    assert Sequence(world.store, layout.DATASET_SEQUENCE, "flights").keys() == {1: told.dataset_id}
    assert Sequence(world.store, layout.ACCEPTED_SPANS, "flights").keys() == {2: told.dataset_id}
