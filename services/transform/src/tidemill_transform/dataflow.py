"""The pass as a Dataflow job: one at a time for each dataset version, however often it is asked for.

The job has the dataset version's name, by which it is found again after a restart; Dataflow refuses a second
one while it is active. What it did lies in the bucket, in a report whose name is known beforehand.
"""

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import (
    DebugOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    WorkerOptions,
)
from apache_beam.runners.dataflow.internal.apiclient import DataflowJobAlreadyExistsError
from google.api_core.exceptions import Conflict

from tidemill_runtime.consumer import MAX_LEASE_SECONDS, RetryLater
from tidemill_runtime.logs import get_logger
from tidemill_transform.beam_pass import build_pass, run_pass, take_report
from tidemill_transform.cutoff import with_cutoff
from tidemill_transform.dataflow_jobs import Jobs, Wait
from tidemill_transform.plan import Plan, Report

RUNNER = "DataflowRunner"
# A message whose job takes longer than its lease comes again, and waits on.
WAIT = Wait(at_most_seconds=MAX_LEASE_SECONDS - 300, poll_seconds=10)


def engine_of(beam_options: Sequence[str]) -> Callable[[Plan], Report]:
    """Return what runs a pass with these options; raise ValueError when Dataflow needs more of them."""
    if not is_dataflow(beam_options):
        return run_pass
    check_options(beam_options)
    return run_on_dataflow


def run_on_dataflow(plan: Plan, wait: Wait = WAIT) -> Report:
    """Run a plan as a job, or wait for the job that runs it already; blocks until the shards are written.

    Raises:
        RetryLater: The job takes longer than one message may be held.
        JobFailed: It failed.
    """
    plan = with_cutoff(plan)
    jobs = Jobs(job_options(plan))
    job_id = jobs.active(job_name(plan))
    if job_id is None and not FileSystems.exists(report_uri(plan)):
        job_id = submit(plan) or jobs.active(job_name(plan))
    if job_id is not None:
        jobs.wait(job_id, wait)
    return report_of(plan)


def report_of(plan: Plan) -> Report:
    """Take what the job of a plan did; raise RetryLater when another delivery of the message has taken it."""
    if not FileSystems.exists(report_uri(plan)):
        raise RetryLater(f"expected {report_uri(plan)}, it is not there any more")
    return take_report(report_uri(plan))


def submit(plan: Plan) -> str | None:
    """Start the job of a plan and return its id; None when a job of the name is active."""
    try:
        result = start(plan)
    except (DataflowJobAlreadyExistsError, Conflict):
        return None
    job_id = str(result.job_id())
    get_logger().info("job-submitted", job_id=job_id, job_name=job_name(plan))
    return job_id


def start(plan: Plan) -> Any:
    """Start the steps of a plan on the runner that its options name, and return Beam's result."""
    pipeline = beam.Pipeline(options=job_options(plan))
    build_pass(pipeline, plan, report_uri(plan))
    return pipeline.run()


def check_options(beam_options: Sequence[str]) -> None:
    """Raise ValueError naming all that a Dataflow job needs and these options lack."""
    options = PipelineOptions(list(beam_options))
    cloud = options.view_as(GoogleCloudOptions)
    needed = {
        "--project": cloud.project,
        "--region": cloud.region,
        "--temp_location": cloud.temp_location,
        "--sdk_container_image": options.view_as(WorkerOptions).sdk_container_image,
    }
    if missing := [name for name, value in needed.items() if not value]:
        raise ValueError(f"expected Beam options {', '.join(needed)}, missing are {', '.join(missing)}")
    if cloud.job_name:
        raise ValueError("expected no --job_name: jobs are named after what they make")


def job_options(plan: Plan) -> PipelineOptions:
    """Complete the options of a plan's job."""
    pipeline, dataset_id = _made_by(plan)
    return completed(plan.beam_options, job_name(plan), {"pipeline": pipeline, "dataset": dataset_id})


def completed(beam_options: Sequence[str], name: str, labels: dict[str, str]) -> PipelineOptions:
    """Add to a job's options a name, labels, and what follows from workers that have all the code."""
    options = PipelineOptions(list(beam_options), save_main_session=False)
    cloud = options.view_as(GoogleCloudOptions)
    cloud.job_name = cloud.job_name or name
    given = [f"tidemill-{label}={value}" for label, value in labels.items()]
    cloud.labels = [*(cloud.labels or []), *given]
    # Beam would run pip to tell the job what is installed here, which the workers' image has as well.
    options.view_as(DebugOptions).add_experiment("disable_logging_submission_environment")
    return options


def is_dataflow(beam_options: Sequence[str]) -> bool:
    """Say whether these options name Dataflow as the runner."""
    return bool(PipelineOptions(list(beam_options)).view_as(StandardOptions).runner == RUNNER)


def job_name(plan: Plan) -> str:
    """Name the job of a plan after the dataset version that it makes: at most 57 characters."""
    return "-".join(_made_by(plan))


def report_uri(plan: Plan) -> str:
    """Say where the job of a plan leaves its report."""
    return f"{plan.folder}/.pass.json"


def _made_by(plan: Plan) -> tuple[str, str]:
    pipeline, dataset_id = plan.folder.split("/")[-2:]
    return pipeline, dataset_id
