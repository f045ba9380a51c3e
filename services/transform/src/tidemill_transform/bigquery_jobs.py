"""Jobs in BigQuery, each named after its work: what goes on or is done already is not begun again."""

from collections.abc import Callable
from typing import TypeVar, cast

from google.api_core.exceptions import Conflict
from google.cloud.bigquery import Client, LoadJob, LoadJobConfig, QueryJob, QueryJobConfig
from google.cloud.bigquery import Table as BigQueryTable
from google.cloud.bigquery.retry import DEFAULT_RETRY

from tidemill_transform.bigquery_tables import LABELS

CALL_SECONDS = 30
RETRY = DEFAULT_RETRY.with_timeout(2 * CALL_SECONDS)
# Less than a message's longest lease.
JOB_SECONDS = 1200

Job = TypeVar("Job", LoadJob, QueryJob)


class Jobs:
    """Starts jobs and waits for their end; what a job failed of is raised."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def load(self, work: str, uri: str, into: BigQueryTable) -> None:
        """Replace all rows of a table by those of a Parquet file."""
        config = LoadJobConfig(
            source_format="PARQUET", write_disposition="WRITE_TRUNCATE", schema=into.schema, labels=LABELS
        )

        def start(job_id: str) -> LoadJob:
            return self._client.load_table_from_uri(
                uri, into.reference, job_id=job_id, job_config=config, retry=RETRY, timeout=CALL_SECONDS
            )

        self._finish(f"load-{work}", start)

    def query(self, work: str, statement: str, config: QueryJobConfig | None = None) -> int:
        """Run one statement; return how many rows it changed."""
        config = config or QueryJobConfig()
        config.labels = LABELS

        def start(job_id: str) -> QueryJob:
            return self._client.query(
                statement,
                job_id=job_id,
                job_config=config,
                job_retry=None,
                retry=RETRY,
                timeout=CALL_SECONDS,
            )

        return self._finish(f"query-{work}", start).num_dml_affected_rows or 0

    def _finish(self, name: str, start: Callable[[str], Job]) -> Job:
        """Wait for the first job of a name that does not fail; an id cannot be used again after a failure."""
        attempt = 0
        while True:
            job_id = f"tidemill-{name}-{attempt}"
            try:
                job = start(job_id)
            except Conflict:
                known = self._client.get_job(job_id, retry=RETRY, timeout=CALL_SECONDS)
                job = cast("Job", known)
                if job.error_result:
                    attempt += 1
                    continue
            job.result(retry=RETRY, timeout=JOB_SECONDS)
            return job
