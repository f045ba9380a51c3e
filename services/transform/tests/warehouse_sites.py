"""The warehouses that the contract holds for: Parquet files, and BigQuery as it can be had on one machine."""

import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from bigquery_fake import FakeBigQuery, serving
from google.auth.credentials import AnonymousCredentials
from google.cloud.bigquery import Client
from transform_catalog import open_catalog

from tidemill_runtime.folder import FolderStore
from tidemill_runtime.objects import ObjectStore
from tidemill_transform.bigquery_warehouse import BigQueryWarehouse
from tidemill_transform.warehouse import ParquetWarehouse, Warehouse

START_SECONDS = 30
PROJECT = "test-project"
POLICY_TAG = f"projects/{PROJECT}/locations/us/taxonomies/1/policyTags/2"

Row = dict[str, Any]


class CloudFolder(FolderStore):
    """A folder whose addresses are those of the bucket that a stand-in for Cloud Storage takes it for."""

    def uri(self, name: str) -> str:
        return f"gs://{self.bucket}/{name}"


class Site(Protocol):
    """A warehouse, the bucket it loads from, and what readers see in it."""

    store: ObjectStore

    def warehouse(self) -> Warehouse:
        """Open it anew, as after a restart."""

    def rows(self, table: str) -> list[Row]:
        """Every row of a table, in no particular order."""


class ParquetSite:
    """Read as people read it: with DuckDB."""

    def __init__(self, folder: Path) -> None:
        self.store: ObjectStore = FolderStore(folder / "bucket")
        self._folder = folder / "bucket" / "warehouse"

    def warehouse(self) -> Warehouse:
        return ParquetWarehouse(self.store)

    def rows(self, table: str) -> list[Row]:
        with open_catalog(self._folder) as catalog:
            found = catalog.table(table)
            return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


class FakeSite:
    """The fake, over HTTP."""

    def __init__(self, folder: Path, address: str, fake: FakeBigQuery) -> None:
        self.fake = fake
        self.store: ObjectStore = CloudFolder(folder / "bucket")
        self._client = client_of(address)

    def warehouse(self) -> BigQueryWarehouse:
        return BigQueryWarehouse(self._client, f"{PROJECT}.tidemill", self.store, POLICY_TAG)

    def rows(self, table: str) -> list[Row]:
        return self.fake.rows(table)

    def table(self, table: str) -> Any:
        return self._client.get_table(f"{PROJECT}.tidemill.{table}", timeout=5)


class EmulatorSite:
    """A dataset of its own in local-bigquery."""

    def __init__(self, buckets: Path, address: str) -> None:
        self.store: ObjectStore = CloudFolder(buckets / uuid.uuid4().hex)
        self._client = client_of(address)
        self._dataset = f"{PROJECT}.d{uuid.uuid4().hex}"
        self._client.create_dataset(self._dataset, timeout=START_SECONDS)

    def warehouse(self) -> BigQueryWarehouse:
        return BigQueryWarehouse(self._client, self._dataset, self.store, POLICY_TAG)

    def rows(self, table: str) -> list[Row]:
        return [dict(row) for row in self._client.list_rows(f"{self._dataset}.{table}", timeout=5)]

    def table(self, table: str) -> Any:
        return self._client.get_table(f"{self._dataset}.{table}", timeout=5)


def client_of(address: str) -> Client:
    return Client(PROJECT, AnonymousCredentials(), location="US", client_options={"api_endpoint": address})


@contextmanager
def fake_site(folder: Path) -> Iterator[FakeSite]:
    fake = FakeBigQuery(folder)
    with serving(fake) as address:
        yield FakeSite(folder, address, fake)


@contextmanager
def running_emulator(folder: Path) -> Iterator[str]:
    """local-bigquery on free ports; yields its address."""
    port, grpc_port = free_port(), free_port()
    options = ["--port", str(port), "--grpc-port", str(grpc_port), "--data-dir", str(folder)]
    command = [shutil.which("local-bigquery") or "local-bigquery", *options, "--project", PROJECT]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait(START_SECONDS)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_port(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"expected a server on port {port} within {START_SECONDS} s")
