"""BigQuery's REST API as far as the warehouse uses it, over DuckDB: what its documentation promises.

Ids of jobs are used up by the first job that has them, whatever becomes of it; a failed job changes nothing.
"""
# ruff: noqa: S608 - tests name the tables

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb

Resource = dict[str, Any]

TYPES = {
    "BOOL": "BOOLEAN",
    "INT64": "BIGINT",
    "FLOAT64": "DOUBLE",
    "TIMESTAMP": "TIMESTAMPTZ",
    "STRING": "VARCHAR",
}
RESERVED = ("_TABLE_", "_FILE_", "_PARTITION", "_ROW_TIMESTAMP", "__ROOT__", "_COLIDENTIFIER")
ILLEGAL = re.compile(r'[!"$()*,./;?@\[\\\]^`{}~]')
API = "/bigquery/v2/projects/test-project"
DATASET = f"{API}/datasets/tidemill"


class Refused(Exception):
    """A request is answered with an error: an HTTP status and why."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class FakeBigQuery:
    """The dataset `test-project.tidemill`; `gs://BUCKET/` is the folder `buckets/BUCKET`."""

    def __init__(self, buckets: Path) -> None:
        self.tables: dict[str, Resource] = {}
        self.jobs: dict[str, Resource] = {}
        self.fail_next: str | None = None
        self._buckets = buckets
        self._inserted: set[tuple[str, str]] = set()
        self._database = duckdb.connect(":memory:")
        self._database.execute("SET TimeZone = 'UTC'")
        self._lock = threading.Lock()

    def rows(self, table: str) -> list[Resource]:
        found = self._database.execute(f'SELECT * FROM "{table}"')
        return [dict(zip(self._names(table), row, strict=True)) for row in found.fetchall()]

    def answer(self, method: str, path: str, body: Resource) -> Resource:
        """Answer one request; raise Refused where BigQuery answers with an error."""
        with self._lock:
            match method, *path.removeprefix(API).strip("/").split("/"):
                case ["GET", "datasets", "tidemill"]:
                    return {"datasetReference": {"projectId": "test-project", "datasetId": "tidemill"}}
                case ["POST", "datasets", "tidemill", "tables"]:
                    return self._create(body)
                case [_, "datasets", "tidemill", "tables", table, *rest]:
                    return self._on_table(method, table, rest, body)
                case ["POST", "jobs"]:
                    return self._run(body)
                case ["GET", "jobs" | "queries" as what, job_id]:
                    job = self.jobs[job_id]
                    return job if what == "jobs" else {**job, "jobComplete": True, "totalRows": "0"}
            raise Refused(404, f"Not found: {method} {path}")

    def _create(self, body: Resource) -> Resource:
        table = body["tableReference"]["tableId"]
        if table in self.tables:
            raise Refused(409, f"Already Exists: Table {table}")
        _check_names(body["schema"]["fields"])
        columns = (f'"{field["name"]}" {TYPES[field["type"]]}' for field in body["schema"]["fields"])
        self._database.execute(f'CREATE TABLE "{table}" ({", ".join(columns)})')
        self.tables[table] = {**body, "creationTime": str(time.time_ns() // 1_000_000)}
        return self.tables[table]

    def _on_table(self, method: str, table: str, rest: list[str], body: Resource) -> Resource:
        if table not in self.tables:
            raise Refused(404, f"Not found: Table {table}")
        if rest == ["insertAll"]:
            return self._insert(table, body["rows"])
        if method == "PATCH":
            self._change(table, body["schema"]["fields"])
        elif method == "DELETE":
            self._database.execute(f'DROP TABLE "{table}"')
            return self.tables.pop(table)
        return self.tables[table]

    def _change(self, table: str, fields: list[Resource]) -> None:
        _check_names(fields)
        before = {field["name"]: field["type"] for field in self.tables[table]["schema"]["fields"]}
        kept = {field["name"]: field["type"] for field in fields[: len(before)]}
        if kept != before:
            raise Refused(400, f"Provided Schema does not match Table: {before} became {kept}")
        for field in fields[len(before) :]:
            self._database.execute(f'ALTER TABLE "{table}" ADD "{field["name"]}" {TYPES[field["type"]]}')
        self.tables[table]["schema"]["fields"] = fields

    def _insert(self, table: str, rows: list[Resource]) -> Resource:
        for row in rows:
            if (table, row["insertId"]) not in self._inserted:
                self._inserted.add((table, row["insertId"]))
                names = ", ".join(f'"{name}"' for name in row["json"])
                values = ", ".join("?" for _ in row["json"])
                sql = f'INSERT INTO "{table}" ({names}) VALUES ({values})'
                self._database.execute(sql, list(row["json"].values()))
        return {}

    def _run(self, body: Resource) -> Resource:
        job_id, configuration = body["jobReference"]["jobId"], body["configuration"]
        if job_id in self.jobs:
            raise Refused(409, f"Already Exists: Job {job_id}")
        status: Resource = {"state": "DONE"}
        affected_rows = 0
        try:
            self._fail(configuration)
            if "load" in configuration:
                self._load(configuration["load"])
            else:
                affected_rows = self._query(configuration["query"])
        except (duckdb.Error, Refused) as error:
            status["errorResult"] = {"reason": "invalid", "message": str(error)}
        statistics = {"query": {"numDmlAffectedRows": str(affected_rows)}}
        self.jobs[job_id] = {**body, "status": status, "statistics": statistics}
        return self.jobs[job_id]

    def _fail(self, configuration: Resource) -> None:
        if self.fail_next and self.fail_next in json.dumps(configuration):
            self.fail_next = None
            raise Refused(400, "made to fail")

    def _load(self, load: Resource) -> None:
        table = load["destinationTable"]["tableId"]
        (uri,) = load["sourceUris"]
        file = str(self._buckets / uri.removeprefix("gs://"))
        _check_names([{"name": name} for name in _parquet_names(self._database, file)])
        self._database.execute(f'DELETE FROM "{table}"')
        self._database.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM read_parquet(?)', [file])

    def _query(self, query: Resource) -> int:
        sql = re.sub(r"`test-project\.tidemill\.([^`]*)`", r'"\1"', query["query"]).replace("`", '"')
        sql = re.sub(r"^MERGE ", "MERGE INTO ", sql)
        sql = re.sub(r" AS (\w+)\)", lambda cast: f" AS {TYPES[cast[1]]})", sql)
        if "destinationTable" not in query:
            (affected_rows,) = self._database.execute(sql).fetchall()[0]
            return int(affected_rows)
        table = query["destinationTable"]["tableId"]
        if query["rangePartitioning"] != self.tables[table]["rangePartitioning"]:
            raise Refused(400, "Incompatible table partitioning specification")
        self._database.execute(f"CREATE TABLE replaced AS {sql}")
        self._database.execute(f'DROP TABLE "{table}"; ALTER TABLE replaced RENAME TO "{table}"')
        described = self._database.execute(f'DESCRIBE "{table}"').fetchall()
        types = {duck: name for name, duck in TYPES.items()} | {"TIMESTAMP WITH TIME ZONE": "TIMESTAMP"}
        fields = [{"name": name, "type": types[kind], "mode": "NULLABLE"} for name, kind, *_ in described]
        self.tables[table]["schema"]["fields"] = fields
        return 0

    def _names(self, table: str) -> list[str]:
        return [field["name"] for field in self.tables[table]["schema"]["fields"]]


@contextmanager
def serving(fake: FakeBigQuery) -> Iterator[str]:
    """Answer over HTTP while the block runs; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}", object_pairs_hook=_without_nulls)
            try:
                self._reply(200, fake.answer(self.command, self.path.partition("?")[0], body))
            except Refused as error:
                message = {"error": {"message": str(error), "errors": [{"message": str(error)}]}}
                self._reply(error.status, message)

        do_GET = do_POST = do_PATCH = do_DELETE = do  # noqa: N815 - the base class names them

        def _reply(self, status: int, body: Mapping[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Requests are not worth a line each."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _without_nulls(pairs: list[tuple[str, Any]]) -> Resource:
    return {key: value for key, value in pairs if value is not None}


def _parquet_names(database: duckdb.DuckDBPyConnection, file: str) -> list[str]:
    found = database.execute("SELECT name FROM parquet_schema(?) OFFSET 1", [file]).fetchall()
    return [name for (name,) in found]


def _check_names(fields: list[Resource]) -> None:
    names = [field["name"] for field in fields]
    bad = [name for name in names if ILLEGAL.search(name) or name.upper().startswith(RESERVED) or not name]
    if bad or len({name.lower() for name in names}) < len(names):
        raise Refused(400, f"Invalid field name among {names}")
