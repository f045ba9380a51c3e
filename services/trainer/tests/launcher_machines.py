"""Where launchers' jobs run in tests: processes, a stand-in for Kubernetes' API, and the real one."""

import fcntl
import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import yaml
from kube_apiserver import KubeApiServer
from kubernetes.client import ApiClient, BatchV1Api, Configuration, CoreV1Api, V1Namespace, V1ObjectMeta
from trainer_world import a_training, commit_model

from tidemill_contracts.training_spec import Training as TrainingSpec
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.kubernetes_launcher import KubernetesLauncher
from tidemill_trainer.launcher import Job, Launcher, ProcessLauncher
from tidemill_trainer.trainings import Trainings

JOB = Job(a_training(), attempt=1)
SPEC = TrainingSpec()
TEMPLATE: dict[str, Any] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"namespace": "learning", "labels": {"app": "trainer"}},
    "spec": {
        "template": {
            "spec": {"subdomain": "trainings", "containers": [{"name": "job", "image": "tidemill/trainer"}]}
        }
    },
}
DEPLOYMENT: dict[str, Any] = {
    "kind": "Deployment",
    "metadata": {"name": "trainer", "uid": "the-uid"},
    "spec": {"selector": {}, "template": {}},
}


class Machine(Protocol):
    """Where a launcher's jobs run. A job that was launched goes on until the test lets it end."""

    def launcher(self, deadline_seconds: int = 60) -> Launcher: ...

    def let_end(self, *, well: bool) -> None: ...

    def started(self) -> int:
        """How many jobs were ever started."""

    def close(self) -> None: ...


class Processes:
    """Real jobs that wait for a lock the test holds; then one whose model exists ends well at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._store = FolderStore(folder / "bucket")
        Trainings(self._store).accept(JOB.training)
        self._lock = (folder / f"{JOB.training.model_id}.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)

    def launcher(self, deadline_seconds: int = 60) -> Launcher:
        return ProcessLauncher(self._folder, deadline_seconds)

    def let_end(self, *, well: bool) -> None:
        if well:
            commit_model(self._store, JOB.training)
        fcntl.flock(self._lock, fcntl.LOCK_UN)

    def started(self) -> int:
        return len(list((self._folder / "logs").iterdir()))

    def close(self) -> None:
        self._lock.close()


class BatchApi:
    """As much of the Kubernetes API as keeps Jobs and knows their pods, over real HTTP."""

    def __init__(self, folder: Path, template: dict[str, Any] = TEMPLATE) -> None:
        self._template = folder / "job.yaml"
        self._template.write_text(yaml.safe_dump(template))
        self.jobs: dict[str, dict[str, Any]] = {}
        self.pods: list[dict[str, Any]] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*api.create(self.path, body))

            def do_GET(self) -> None:
                self._answer(*api.read(self.path))

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Requests are not worth a line."""

            def _answer(self, status: int, document: dict[str, Any]) -> None:
                body = json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def create(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        name = f"{path}/{body['metadata']['name']}"
        if name in self.jobs:
            return 409, {"kind": "Status", "reason": "AlreadyExists"}
        self.jobs[name] = {**body, "status": {"active": 1}}
        return 201, self.jobs[name]

    def read(self, path: str) -> tuple[int, dict[str, Any]]:
        name = path.removesuffix("/status")
        if "/pods?" in path:
            return 200, {"kind": "PodList", "items": self.pods}
        if "/deployments/" in path:
            return 200, DEPLOYMENT
        return (
            (200, self.jobs[name]) if name in self.jobs else (404, {"kind": "Status", "reason": "NotFound"})
        )

    def launcher(self, deadline_seconds: int = 60) -> KubernetesLauncher:
        client = ApiClient(Configuration(host=f"http://127.0.0.1:{self._server.server_port}"))
        return KubernetesLauncher(client, self._template, deadline_seconds)

    def let_end(self, *, well: bool) -> None:
        for job in self.jobs.values():
            job["status"] = an_end(well=well)

    def started(self) -> int:
        return len(self.jobs)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Cluster:
    """Jobs in a real API server, in a namespace of their own; the test plays the Job controller."""

    def __init__(self, server: KubeApiServer, folder: Path) -> None:
        self._server = server
        self.namespace = f"learning-{os.urandom(4).hex()}"
        metadata = V1ObjectMeta(name=self.namespace)
        CoreV1Api(server.client()).create_namespace(V1Namespace(metadata=metadata))
        self._template = folder / "job.yaml"
        template = {**TEMPLATE, "metadata": {**TEMPLATE["metadata"], "namespace": self.namespace}}
        self._template.write_text(yaml.safe_dump(template))
        self.batch = BatchV1Api(server.client())

    def launcher(self, deadline_seconds: int = 60) -> KubernetesLauncher:
        return KubernetesLauncher(self._server.client(), self._template, deadline_seconds)

    def let_end(self, *, well: bool) -> None:
        for job in self.batch.list_namespaced_job(self.namespace).to_dict()["items"]:
            body = {"status": an_end(well=well)}
            self.batch.patch_namespaced_job_status(job["metadata"]["name"], self.namespace, body)

    def started(self) -> int:
        return len(self.batch.list_namespaced_job(self.namespace).items)

    def close(self) -> None:
        """Nothing: the server ends with the session."""


def an_end(*, well: bool) -> dict[str, Any]:
    """Write a Job's status as the Job controller does when it is over."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = ("SuccessCriteriaMet", "Complete") if well else ("FailureTarget", "Failed")
    status: dict[str, Any] = {
        "startTime": now,
        "conditions": [
            {"type": name, "status": "True", "reason": "R", "message": "M", "lastTransitionTime": now}
            for name in conditions
        ],
    }
    return status | ({"completionTime": now, "succeeded": 1} if well else {"failed": 1})
