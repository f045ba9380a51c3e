"""Jobs as Kubernetes Jobs: they outlive this process, and there is never more than one pod of each worker."""

from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, cast

import yaml
from kubernetes import config
from kubernetes.client import ApiClient, AppsV1Api, BatchV1Api, CoreV1Api, V1Job, V1Pod
from kubernetes.client.exceptions import ApiException

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_trainer.kubernetes_job import Manifest, job_manifest, job_name
from tidemill_trainer.launcher import Job, State, Status

CALL_SECONDS = 10
DETAIL_CHARACTERS = 1000
# The template's annotation with the address of a job's logs, `{job}` for its name.
LOGS = "tidemill.dev/logs"


class KubernetesLauncher:
    """The name of a Job follows from the attempt, so launching one twice finds the first."""

    def __init__(self, client: ApiClient, template: Path, deadline_seconds: int) -> None:
        """Prepare to create copies of the template, which names the namespace.

        Where the template names a Deployment as the owner, Jobs are deleted together with that.
        """
        self._jobs, self._pods, self._apps = BatchV1Api(client), CoreV1Api(client), AppsV1Api(client)
        self._template: Manifest = yaml.safe_load(template.read_text())
        self._namespace = str(self._template["metadata"]["namespace"])
        self._deadline_seconds = deadline_seconds

    def launch(self, job: Job, spec: TrainingSpec) -> None:
        manifest = job_manifest(self._template, job, spec, self._deadline_seconds)
        if self._owners:
            manifest["metadata"]["ownerReferences"] = self._owners
        document = cast("V1Job", manifest)  # the client takes plain documents as well
        try:
            self._jobs.create_namespaced_job(self._namespace, document, _request_timeout=CALL_SECONDS)
        except ApiException as error:
            if error.status != HTTPStatus.CONFLICT:
                raise

    def poll(self, job: Job) -> Status:
        try:
            found = self._jobs.read_namespaced_job_status(
                job_name(job), self._namespace, _request_timeout=CALL_SECONDS
            )
        except ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return Status(State.ABSENT)
            raise
        for condition in (found.status and found.status.conditions) or ():
            if condition.status == "True" and condition.type == "Complete":
                return Status(State.SUCCEEDED)
            if condition.status == "True" and condition.type == "Failed":
                why = "; ".join([f"{condition.reason}: {condition.message}", *self._last_words(job)])
                return Status(State.FAILED, f"{why}; see {self.logs(job)}")
        return Status(State.RUNNING)

    def logs(self, job: Job) -> str:
        address = self._template["metadata"].get("annotations", {}).get(LOGS)
        if address is not None:
            return str(address).replace("{job}", job_name(job))
        return f"kubectl logs --namespace {self._namespace} job/{job_name(job)}"

    def close(self) -> None:
        """Jobs go on: the next process finds them by their names."""

    @cached_property
    def _owners(self) -> list[Manifest]:
        """The template's owners, with the uid that only the cluster knows."""
        return [self._with_uid(owner) for owner in self._template["metadata"].get("ownerReferences", ())]

    def _with_uid(self, owner: Manifest) -> Manifest:
        if owner["kind"] != "Deployment":
            raise ValueError(f"expected a Deployment as the owner of Jobs, received {owner['kind']}")
        found = self._apps.read_namespaced_deployment(
            owner["name"], self._namespace, _request_timeout=CALL_SECONDS
        )
        return {**owner, "uid": found.metadata and found.metadata.uid}

    def _last_words(self, job: Job) -> list[str]:
        """What is known of the containers that failed, such as OOMKilled, with the end of their logs."""
        try:
            pods = self._pods.list_namespaced_pod(
                self._namespace,
                label_selector=f"batch.kubernetes.io/job-name={job_name(job)}",
                _request_timeout=CALL_SECONDS,
            )
        except ApiException as error:
            return [f"its pods are not to be seen: {error.reason}"]
        return [words for pod in pods.items for words in _failures(pod)]


def _failures(pod: V1Pod) -> list[str]:
    statuses: list[Any] = (pod.status and pod.status.container_statuses) or []
    ended = [each.state.terminated for each in statuses if each.state and each.state.terminated]
    return [
        f"{each.reason} (exit code {each.exit_code}) {(each.message or '')[-DETAIL_CHARACTERS:]}".rstrip()
        for each in ended
        if each.exit_code
    ]


def in_cluster() -> ApiClient:
    """Open a client with this pod's own service account."""
    config.load_incluster_config()  # type: ignore[no-untyped-call]
    return ApiClient()
