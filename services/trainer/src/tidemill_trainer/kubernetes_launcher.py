"""Jobs as Kubernetes Jobs: they outlive this process, and there is never more than one pod of each.

What a pod looks like (image, account, resources, volumes, settings) is the deployment's business: a template
holds it, of which each Job is a copy with its own name and command line.
"""

import copy
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, BatchV1Api, V1Job
from kubernetes.client.exceptions import ApiException

from tidemill_trainer.launcher import Job, State, Status

CALL_SECONDS = 10
KEPT_AFTER_END_SECONDS = 24 * 3600


class KubernetesLauncher:
    """The name of a Job follows from the attempt, so launching one twice finds the first."""

    def __init__(self, client: ApiClient, template: Path, deadline_seconds: int) -> None:
        """Prepare to create copies of the template, which names the namespace, in its first container."""
        self._api = BatchV1Api(client)
        self._template: dict[str, Any] = yaml.safe_load(template.read_text())
        self._namespace = str(self._template["metadata"]["namespace"])
        self._deadline_seconds = deadline_seconds

    def launch(self, job: Job) -> None:
        try:
            self._api.create_namespaced_job(
                self._namespace, self._manifest(job), _request_timeout=CALL_SECONDS
            )
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise

    def poll(self, job: Job) -> Status:
        try:
            found = self._api.read_namespaced_job_status(
                _name(job), self._namespace, _request_timeout=CALL_SECONDS
            )
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return Status(State.ABSENT)
            raise
        for condition in (found.status and found.status.conditions) or ():
            if condition.status == "True" and condition.type == "Complete":
                return Status(State.SUCCEEDED)
            if condition.status == "True" and condition.type == "Failed":
                return Status(State.FAILED, f"{condition.reason}: {condition.message}; see {self.logs(job)}")
        return Status(State.RUNNING)

    def logs(self, job: Job) -> str:
        return f"kubectl logs --namespace {self._namespace} job/{_name(job)}"

    def close(self) -> None:
        """Jobs go on: the next process finds them by their names."""

    def _manifest(self, job: Job) -> V1Job:
        manifest = copy.deepcopy(self._template)
        manifest["metadata"]["name"] = _name(job)
        manifest["spec"] |= {
            "backoffLimit": 0,
            "activeDeadlineSeconds": self._deadline_seconds,
            "ttlSecondsAfterFinished": KEPT_AFTER_END_SECONDS,
            # A pod that lost its node may still write: none takes its place until it has ended.
            "podReplacementPolicy": "Failed",
        }
        pod = manifest["spec"]["template"]["spec"]
        pod["restartPolicy"] = "Never"
        pod["containers"][0]["command"] = ["python", *job.arguments]
        return cast("V1Job", manifest)  # the client takes plain documents as well


def in_cluster() -> ApiClient:
    """Open a client with this pod's own service account."""
    config.load_incluster_config()  # type: ignore[no-untyped-call]
    return ApiClient()


def _name(job: Job) -> str:
    return f"tidemill-training-{job.job_id}"
