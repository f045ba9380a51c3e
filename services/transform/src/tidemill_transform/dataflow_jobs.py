"""Dataflow's jobs: found by name, and waited for."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from apache_beam.internal.gcp.auth import get_service_credentials
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions
from google.api_core.client_options import ClientOptions
from google.auth.credentials import AnonymousCredentials
from google.cloud.dataflow_v1beta3 import (
    GetJobRequest,
    Job,
    JobMessageImportance,
    JobState,
    JobsV1Beta3Client,
    ListJobMessagesRequest,
    ListJobsRequest,
    MessagesV1Beta3Client,
)

from tidemill_runtime.consumer import RetryLater

CALL_SECONDS = 60
ENDED = {
    JobState.JOB_STATE_DONE,
    JobState.JOB_STATE_FAILED,
    JobState.JOB_STATE_CANCELLED,
    JobState.JOB_STATE_DRAINED,
    JobState.JOB_STATE_UPDATED,
}
SHOWN_ERRORS = 3


class JobFailed(RuntimeError):
    """A Dataflow job ended without having done its work; the message has its last errors."""


@dataclass(frozen=True)
class Wait:
    """How long to wait for a job, and how often to ask."""

    at_most_seconds: float
    poll_seconds: float


class Jobs:
    """The jobs of the project and region that Beam's options name."""

    def __init__(self, options: PipelineOptions) -> None:
        cloud = options.view_as(GoogleCloudOptions)
        found = None if cloud.no_auth else get_service_credentials(options)
        credentials = found.get_google_auth_credentials() if found else AnonymousCredentials()
        endpoint = cloud.dataflow_endpoint.removeprefix("https://")
        transport = "rest" if endpoint.startswith("http://") else "grpc"
        client_options = ClientOptions(api_endpoint=endpoint)
        self._jobs = JobsV1Beta3Client(
            credentials=credentials, client_options=client_options, transport=transport
        )
        self._messages = MessagesV1Beta3Client(
            credentials=credentials, client_options=client_options, transport=transport
        )
        self._project = cloud.project
        self._region = cloud.region

    def active(self, name: str) -> str | None:
        """Return the id of the job of a name that has not ended; None when there is none."""
        request = ListJobsRequest(
            project_id=self._project,
            location=self._region,
            filter=ListJobsRequest.Filter.ACTIVE,
            name=name,
        )
        found = self._jobs.list_jobs(request, timeout=CALL_SECONDS)
        # A server that does not know the filter by name yet returns all that are active.
        return next((job.id for job in found if job.name == name and job.current_state not in ENDED), None)

    def wait(self, job_id: str, wait: Wait) -> None:
        """Block until a job is done; raise JobFailed when it failed, RetryLater when it takes too long."""
        deadline = time.monotonic() + wait.at_most_seconds
        while (state := self._get(job_id).current_state) not in ENDED:
            if time.monotonic() > deadline:
                raise RetryLater(f"expected job {job_id} to end soon, it is {JobState(state).name}")
            time.sleep(wait.poll_seconds)
        if state != JobState.JOB_STATE_DONE:
            errors = "; ".join(list(self._errors(job_id))[-SHOWN_ERRORS:])
            raise JobFailed(f"expected job {job_id} to be done, it is {JobState(state).name}: {errors}")

    def _get(self, job_id: str) -> Job:
        request = GetJobRequest(project_id=self._project, location=self._region, job_id=job_id)
        job: Job = self._jobs.get_job(request, timeout=CALL_SECONDS)
        return job

    def _errors(self, job_id: str) -> Iterator[str]:
        request = ListJobMessagesRequest(
            project_id=self._project,
            location=self._region,
            job_id=job_id,
            minimum_importance=JobMessageImportance.JOB_MESSAGE_ERROR,
        )
        for message in self._messages.list_job_messages(request, timeout=CALL_SECONDS):
            yield message.message_text
