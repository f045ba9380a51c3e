"""A server that answers as Dataflow's REST API does, and runs jobs in a process that is like a worker's.

It knows of Dataflow what its documentation says: a job's name is unique among the active ones, a job runs
the pipeline that was staged for it, and its state says how it went.
"""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from worker_image import worker_command

JOBS = re.compile(r"^/v1b3/projects/a-project/locations/a-region/jobs(?:/([\w-]+)(/messages)?)?$")
RUN_PIPELINE = """
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.portability.api import beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import EmbeddedPythonEnvironment

with FileSystems.open(sys.argv[1]) as file:
    pipeline = beam_runner_api_pb2.Pipeline.FromString(file.read())
for environment in pipeline.components.environments.values():
    environment.CopyFrom(EmbeddedPythonEnvironment.default().to_runner_api(None))
FnApiRunner().run_via_runner_api(pipeline, PipelineOptions([])).wait_until_finish()
"""


@dataclass
class DataflowStandIn:
    """Every job that was created. While `gate` is closed, jobs are taken and do not begin; so many lists of
    jobs as `behind` says do not show what is new.
    """

    folder: Path
    address: str = ""
    jobs: list[dict[str, Any]] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    behind: int = 0

    def options(self) -> tuple[str, ...]:
        """Return the Beam options of a job that goes here."""
        return (
            "--runner=DataflowRunner",
            "--project=a-project",
            "--region=a-region",
            f"--temp_location={self.folder}",
            "--sdk_container_image=example.com/tidemill-worker:1",
            f"--dataflow_endpoint={self.address}",
            "--no_auth",
        )

    def create(self, job: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """Take a job, unless there is an active one of its name."""
        if any(other["name"] == job["name"] and is_active(other) for other in self.jobs):
            message = f"There is already an active job named {job['name']}."
            return 409, {"error": {"code": 409, "message": message, "status": "ALREADY_EXISTS"}}
        created = {**job, "id": f"job-{len(self.jobs) + 1}", "currentState": "JOB_STATE_RUNNING"}
        self.jobs.append(created)
        threading.Thread(target=self._run, args=(created,), daemon=True).start()
        return 200, created

    def answer(self, job_id: str | None, of_messages: str | None, name: str) -> dict[str, Any]:
        """Describe a job, its messages, or the active jobs of a name."""
        if job_id is None and self.behind:
            self.behind -= 1
            return {}
        if job_id is None:
            return {"jobs": [job for job in self.jobs if job["name"] == name and is_active(job)]}
        [job] = [each for each in self.jobs if each["id"] == job_id]
        return {"jobMessages": [{"messageText": job.get("said", "")}]} if of_messages else job

    def _run(self, job: dict[str, Any]) -> None:
        self.gate.wait(60)
        staged = job["environment"]["sdkPipelineOptions"]["options"]["pipelineUrl"]
        command = worker_command(self.folder, RUN_PIPELINE, staged)
        worker = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        job["said"] = worker.stderr
        job["currentState"] = "JOB_STATE_FAILED" if worker.returncode else "JOB_STATE_DONE"


def is_active(job: dict[str, Any]) -> bool:
    return bool(job["currentState"] == "JOB_STATE_RUNNING")


@contextmanager
def running_dataflow(folder: Path) -> Iterator[DataflowStandIn]:
    """Answer on a free port while the block runs; the gate is open."""
    folder.mkdir()
    dataflow = DataflowStandIn(folder)
    dataflow.gate.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            self._reply(*dataflow.create(json.loads(self.rfile.read(length))))

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            path = JOBS.match(url.path)
            assert path, url.path
            name = parse_qs(url.query).get("name", [""])[0]
            self._reply(200, dataflow.answer(path[1], path[2], name))

        def _reply(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    dataflow.address = f"http://localhost:{server.server_port}"
    try:
        yield dataflow
    finally:
        server.shutdown()
        server.server_close()
