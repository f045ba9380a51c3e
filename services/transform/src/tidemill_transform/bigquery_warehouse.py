"""BigQuery as the warehouse, through the official client.

A span is loaded into a table of its own, then inserted into the pipeline's table. Where that has rows of the
span already, one MERGE puts the new ones in their place; it reads a partition, which holds a hundred spans.
Loading into a partition would save that step, but only whole partitions can be replaced, and a table has no
more than 10,000 of them: a stream has more spans than that in weeks.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qsl, urlsplit

from google.api_core.exceptions import NotFound
from google.cloud.bigquery import Client, QueryJobConfig, SchemaField
from google.cloud.bigquery import Table as BigQueryTable

from tidemill_contracts.manifest import content_id
from tidemill_runtime.consumer import RetryLater
from tidemill_runtime.objects import ObjectStore
from tidemill_transform import bigquery_tables as tables
from tidemill_transform.bigquery_jobs import CALL_SECONDS, RETRY, Jobs
from tidemill_transform.column_names import warehouse_names
from tidemill_transform.warehouse import ROOT, Table, rename_columns

# What a killed process leaves behind goes by itself.
INCOMING_LIFE = timedelta(days=1)
OPTIONS = {"location", "policy_tag"}


class BigQueryWarehouse:
    """Tables of one dataset, which has to be there."""

    def __init__(self, client: Client, dataset: str, store: ObjectStore, policy_tag: str = "") -> None:
        """Take the dataset as `project.name`, and the policy tag that restricted columns get, if any."""
        if not store.uri("x").startswith("gs://"):
            raise ValueError(f"expected a bucket gs://NAME to load BigQuery from, received {store.uri('x')}")
        self.client = client
        self._jobs = Jobs(client)
        self.dataset = dataset
        self._store = store
        self.policy_tag = policy_tag
        self._prepared: set[str] = set()

    def load(self, table: Table, span: int, name: str) -> None:
        target = self._prepare(table)
        types = {field.name.lower(): field.field_type for field in target.schema}
        staged = tables.staged_names(table.columns)
        columns = {new: (staged[old], types[new.lower()]) for old, new in warehouse_names(staged).items()}
        work = content_id(str(target.reference), str(target.created), str(span), name)
        incoming = self._incoming(table, staged, work)
        with self._loadable(name, staged, work) as uri:
            self._jobs.load(content_id(work, str(incoming.created)), uri, incoming)
        rows = tables.Incoming(str(target.reference), str(incoming.reference), span, columns)
        if not self._jobs.query(f"insert-{work}", rows.insert_statement()):
            self._jobs.query(work, rows.merge_statement())
        self.client.delete_table(incoming, not_found_ok=True, retry=RETRY, timeout=CALL_SECONDS)

    def append(self, table: Table, key: str, rows: Sequence[Mapping[str, object]]) -> None:
        if table.name not in self._prepared:
            self._prepare(table)
        try:
            refused = self.client.insert_rows(
                self._reference(table.name),
                [dict(row) for row in rows],
                selected_fields=tables.fields(table, self.policy_tag),
                row_ids=[f"{key}-{number}" for number in range(len(rows))],
                retry=RETRY,
                timeout=CALL_SECONDS,
            )
        except NotFound as error:
            self._prepared.discard(table.name)
            # A table that was created just now does not take rows at once.
            raise RetryLater(f"expected {table.name} to take rows: {error}") from error
        if refused:
            raise ValueError(f"expected {table.name} to take {len(rows)} rows, it refused {refused}")

    def check(self) -> None:
        self.client.get_dataset(self.dataset, retry=RETRY, timeout=CALL_SECONDS)

    def _prepare(self, table: Table) -> BigQueryTable:
        """Return a table that has all columns that rows may have, in types that hold their values."""
        wanted = tables.describe(table, self._reference(table.name), self.policy_tag)
        present = self._find_or_create(wanted)
        wider = tables.widened(present.schema, wanted.schema)
        schema = tables.merged(present.schema, wanted.schema, wider)
        if wider:
            self._widen(present, wider)
            present = self._find_or_create(wanted)
        if schema != present.schema:
            present.schema = schema
            present = self.client.update_table(present, ["schema"], retry=RETRY, timeout=CALL_SECONDS)
        self._prepared.add(table.name)
        return present

    def _widen(self, table: BigQueryTable, wider: Mapping[str, str]) -> None:
        """Rewrite a table as it is laid out: in place, BigQuery turns no column into texts."""
        config = QueryJobConfig(destination=table.reference, write_disposition="WRITE_TRUNCATE")
        config.range_partitioning = table.range_partitioning
        config.clustering_fields = table.clustering_fields
        work = content_id(str(table.reference), str(table.created), *(f"{k} {v}" for k, v in wider.items()))
        self._jobs.query(work, tables.widen_statement(table.reference, wider), config)

    def _incoming(self, table: Table, staged: Mapping[str, str], work: str) -> BigQueryTable:
        schema = [SchemaField(staged[column.name], tables.TYPES[column.type]) for column in table.columns]
        incoming = BigQueryTable(self._reference(f"{table.name}__incoming_{work}"), schema)
        incoming.labels = tables.LABELS
        incoming.expires = datetime.now(UTC) + INCOMING_LIFE
        return self._find_or_create(incoming)

    def _find_or_create(self, table: BigQueryTable) -> BigQueryTable:
        try:
            return self.client.get_table(table.reference, retry=RETRY, timeout=CALL_SECONDS)
        except NotFound:
            return self.client.create_table(table, retry=RETRY, timeout=CALL_SECONDS)

    @contextmanager
    def _loadable(self, name: str, staged: Mapping[str, str], work: str) -> Iterator[str]:
        """Yield the address of an object whose columns are named as BigQuery takes them."""
        if all(old == new for old, new in staged.items()):
            yield self._store.uri(name)
            return
        copy = f"{ROOT}/.incoming/{work}.parquet"
        with TemporaryDirectory(prefix="tidemill-warehouse-") as folder:
            local = Path(folder, "data.parquet")
            self._store.download(name, local)
            self._store.upload(copy, rename_columns(local, staged))
        yield self._store.uri(copy)
        self._store.delete(copy)

    def _reference(self, table: str) -> str:
        return f"{self.dataset}.{table}"


def open_bigquery(warehouse_url: str, store: ObjectStore) -> BigQueryWarehouse:
    """Open the dataset that `bigquery://PROJECT/DATASET` names, `?location=` and `&policy_tag=` after it."""
    url = urlsplit(warehouse_url)
    dataset, options = url.path.strip("/"), dict(parse_qsl(url.query))
    if not url.netloc or not dataset or "/" in dataset or options.keys() - OPTIONS:
        raise ValueError(
            f"expected bigquery://PROJECT/DATASET with options {sorted(OPTIONS)}, received {warehouse_url!r}"
        )
    client = Client(project=url.netloc, location=options.get("location"))
    return BigQueryWarehouse(client, f"{url.netloc}.{dataset}", store, options.get("policy_tag", ""))
