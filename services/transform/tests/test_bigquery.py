"""What the warehouse in BigQuery promises beyond the contract: names, notes, and what becomes of failures."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bigquery_fake import DATASET
from google.api_core.exceptions import BadRequest
from hypothesis import given
from hypothesis import strategies as st
from warehouse_sites import POLICY_TAG, FakeSite, client_of, fake_site

from tidemill_contracts.manifest import Column
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.folder import FolderStore
from tidemill_transform.bigquery_warehouse import BigQueryWarehouse
from tidemill_transform.column_names import warehouse_names
from tidemill_transform.ledger import EVENTS
from tidemill_transform.warehouse import ParquetWarehouse, Table, open_warehouse


@pytest.fixture
def site(tmp_path: Path) -> Iterator[FakeSite]:
    with fake_site(tmp_path) as site:
        yield site


def put(site: FakeSite, **columns: list[int]) -> tuple[Table, str]:
    """Write a span whose columns are whole numbers."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({name: pa.array(values, pa.int64()) for name, values in columns.items()}), sink)
    site.store.write("spans/1.parquet", sink.getvalue().to_pybytes())
    table = Table("spans", tuple(Column(name=name, type="int") for name in columns))
    return table, "spans/1.parquet"


def drop_table(site: FakeSite, table: str) -> None:
    site.fake.answer("DELETE", f"{DATASET}/tables/{table}", {})


def test_names_that_bigquery_refuses_are_changed_and_the_column_says_what_it_was(
    site: FakeSite, tmp_path: Path
) -> None:
    table, name = put(site, **{"price (EUR)": [1], "2nd": [2], "a": [3], "A": [4], "_partitiontime": [5]})
    site.warehouse().load(table, 1, name)

    assert site.rows("spans") == [
        {"span": 1, "price_EUR": 1, "_2nd": 2, "a_ca9781": 3, "A": 4, "column_partitiontime": 5}
    ]
    notes = {field.name: field.description for field in site.table("spans").schema}
    assert notes["price_EUR"] == "Column 'price (EUR)' of the files."
    assert notes["A"] is None
    assert not list(tmp_path.rglob("warehouse/**/*.parquet"))


@given(st.lists(st.text(), unique=True))
def test_any_names_become_names_that_differ_and_are_legal(names: list[str]) -> None:
    chosen = warehouse_names(names)

    assert chosen.keys() == set(names)
    assert len({name.lower() for name in chosen.values()} | {"span"}) == len(names) + 1
    for name in chosen.values():
        assert 0 < len(name) <= 300
        assert name.isidentifier() or all(part.isalnum() or part == "_" for part in name)


def test_a_name_is_changed_alike_whatever_else_is_there() -> None:
    assert warehouse_names(["b", "a-b"])["a-b"] == warehouse_names(["a-b", "c d"])["a-b"] == "a_b"


def test_restricted_columns_say_so_and_carry_the_policy_tag(site: FakeSite) -> None:
    table, name = put(site, mail=[1], plain=[2])
    mail, plain = table.columns
    restricted = mail.model_copy(update={"privacy": "hash", "pii": "email"})
    site.warehouse().load(table, 1, name)
    site.warehouse().load(Table("spans", (restricted, plain)), 2, name)

    fields = {field.name: field for field in site.table("spans").schema}
    assert fields["mail"].description == "Restricted: hash, taken for email."
    assert fields["mail"].policy_tags.names == (POLICY_TAG,)
    assert fields["plain"].policy_tags is None


def test_what_people_wrote_about_a_column_stays_when_it_becomes_wider(site: FakeSite) -> None:
    table, name = put(site, a=[1])
    site.warehouse().load(table, 1, name)
    site.fake.tables["spans"]["schema"]["fields"][1]["description"] = "Ours."
    site.warehouse().load(Table("spans", (Column(name="a", type="string"),)), 2, _texts(site))

    (_, field) = site.table("spans").schema
    assert (field.field_type, field.description) == ("STRING", "Ours.")


def _texts(site: FakeSite) -> str:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": ["x"]}), sink)
    site.store.write("spans/2.parquet", sink.getvalue().to_pybytes())
    return "spans/2.parquet"


def test_tables_are_laid_out_for_what_is_asked_of_them(site: FakeSite) -> None:
    site.warehouse().load(*_placed(put(site, a=[1])))
    site.warehouse().append(EVENTS, "k", [])

    spans, events = site.table("spans"), site.table("events")
    assert spans.range_partitioning.field == "span"
    assert spans.clustering_fields == ["span"]
    assert events.time_partitioning.field == "time"
    assert spans.labels == events.labels == {"app": "tidemill"}


def _placed(put: tuple[Table, str]) -> tuple[Table, int, str]:
    table, name = put
    return table, 1, name


@pytest.mark.parametrize("job", ['"load"', "INSERT INTO"])
def test_a_load_whose_job_failed_can_be_repeated(site: FakeSite, job: str) -> None:
    placed = _placed(put(site, a=[1]))
    site.fake.fail_next = job
    with pytest.raises(BadRequest, match="made to fail"):
        site.warehouse().load(*placed)

    site.warehouse().load(*placed)

    assert site.rows("spans") == [{"span": 1, "a": 1}]
    assert list(site.fake.tables) == ["spans"]


def test_a_load_can_be_repeated_when_what_was_loaded_has_expired(site: FakeSite) -> None:
    placed = _placed(put(site, a=[1]))
    site.fake.fail_next = "INSERT INTO"
    with pytest.raises(BadRequest, match="made to fail"):
        site.warehouse().load(*placed)
    (incoming,) = site.fake.tables.keys() - {"spans"}
    drop_table(site, incoming)

    site.warehouse().load(*placed)

    assert site.rows("spans") == [{"span": 1, "a": 1}]


def test_a_repeated_load_is_the_same_job(site: FakeSite) -> None:
    placed = _placed(put(site, a=[1]))
    for _ in range(2):
        site.warehouse().load(*placed)

    assert len(statements(site)) == 1


def statements(site: FakeSite) -> list[str]:
    jobs = (job["configuration"].get("query") for job in site.fake.jobs.values())
    return [query["query"] for query in jobs if query]


def test_only_a_span_that_is_there_already_is_replaced_which_reads_its_partition(site: FakeSite) -> None:
    for span in (1, 2):
        table, name = put(site, a=[span])
        site.warehouse().load(table, span, name)
    assert not [each for each in statements(site) if "DELETE" in each]

    site.store.write("spans/other.parquet", site.store.read(name))
    site.warehouse().load(table, 1, "spans/other.parquet")

    assert len([each for each in statements(site) if "DELETE" in each]) == 1
    assert sorted(row["a"] for row in site.rows("spans")) == [2, 2]


def test_a_load_that_bigquery_has_forgotten_replaces_its_own_rows(site: FakeSite) -> None:
    placed = _placed(put(site, a=[1]))
    site.warehouse().load(*placed)
    site.fake.jobs.clear()
    site.warehouse().load(*placed)

    assert site.rows("spans") == [{"span": 1, "a": 1}]


def test_a_table_that_was_dropped_is_filled_again(site: FakeSite) -> None:
    placed = _placed(put(site, a=[1]))
    site.warehouse().load(*placed)
    drop_table(site, "spans")
    site.warehouse().load(*placed)

    assert site.rows("spans") == [{"span": 1, "a": 1}]


def test_a_table_that_takes_no_rows_yet_is_tried_again_later(site: FakeSite) -> None:
    row = {column.name: None for column in EVENTS.columns}
    warehouse = site.warehouse()
    warehouse.append(EVENTS, "k", [row])
    del site.fake.tables["events"]
    with pytest.raises(RetryLater, match="Not found: Table events"):
        warehouse.append(EVENTS, "k", [row])


def test_bigquery_cannot_load_from_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected a bucket gs://NAME"):
        BigQueryWarehouse(client_of("http://127.0.0.1:1"), "p.d", FolderStore(tmp_path))


def test_the_url_names_the_warehouse(site: FakeSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(_credentials(tmp_path)))
    cloud = open_warehouse("bigquery://my-project/my_data?location=EU&policy_tag=tag", site.store)

    assert isinstance(open_warehouse("parquet:", site.store), ParquetWarehouse)
    assert isinstance(cloud, BigQueryWarehouse)
    assert (cloud.dataset, cloud.client.location, cloud.policy_tag) == ("my-project.my_data", "EU", "tag")


def _credentials(folder: Path) -> Path:
    file = folder / "credentials.json"
    file.write_text(
        '{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": "r"}'
    )
    return file


@pytest.mark.parametrize(
    "url", ["", "duckdb://x", "bigquery://p", "bigquery:///d", "bigquery://p/d/t", "bigquery://p/d?place=EU"]
)
def test_a_url_of_no_warehouse_is_refused(site: FakeSite, url: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        open_warehouse(url, site.store)
