"""Settings of the trainer service and of the jobs it starts, which read the same environment."""

import os
from pathlib import Path
from tempfile import gettempdir
from typing import Literal, Self

from pydantic import Field, model_validator

from tidemill_runtime.settings import StorageSettings

# What the libraries only take from the environment: no usage reports, and no start-up chatter on every job.
LIBRARY_DEFAULTS = {"MLFLOW_DISABLE_TELEMETRY": "true", "TF_CPP_MIN_LOG_LEVEL": "2"}


class Settings(StorageSettings):
    """Read once, in `main` of the service and of a job."""

    tracking_uri: str = Field(
        min_length=1, description="MLflow tracking server or database, such as `sqlite:////FOLDER/mlflow.db`."
    )
    scratch_folder: Path = Field(
        default=Path(gettempdir()) / "tidemill-trainer", description="Where jobs keep files, locks and logs."
    )
    launcher: Literal["process", "kubernetes"] = Field(
        default="process", description="What runs a training: a child process, or a Kubernetes Job."
    )
    max_attempts: int = Field(default=2, ge=1, description="Failed jobs after which a model is rejected.")
    max_running: int | None = Field(
        default=None,
        ge=1,
        description="Trainings at once, over all pipelines; by default 1 as child processes, which share "
        "this machine, and 4 as Kubernetes Jobs. A pipeline never has more than one.",
    )
    poll_seconds: float = Field(default=0.5, gt=0, description="Time between two looks at running jobs.")
    training_deadline_seconds: int = Field(default=3600, gt=0, description="Longest time one job may take.")
    tracking_retry_seconds: float = Field(
        default=30, gt=0, description="Time between attempts to reach a tracking server that failed."
    )
    job_template: Path | None = Field(
        default=None, description="Kubernetes Job (YAML) that each training is a copy of, for that launcher."
    )

    check_server_command: tuple[str, ...] = Field(
        default=(),
        description="Starts a model server in which every new model is tried out, as a JSON list; "
        "--port and --model_config_file are added.",
    )
    check_server_address: str = Field(
        default="", description="A model server for that, of the job's own, where no command starts one."
    )
    check_server_folder: Path | None = Field(
        default=None, description="Folder that the job shares with the model server at that address."
    )

    @property
    def trainings_at_once(self) -> int:
        """How many trainings may run at the same time."""
        return self.max_running or (4 if self.launcher == "kubernetes" else 1)

    @model_validator(mode="after")
    def _has_what_the_launcher_needs(self) -> Self:
        if self.launcher == "kubernetes" and self.job_template is None:
            raise ValueError("expected job_template with launcher kubernetes, received none")
        return self


def set_library_defaults() -> None:
    """Set the environment variables of libraries where the deployment did not; call before importing them."""
    for name, value in LIBRARY_DEFAULTS.items():
        os.environ.setdefault(name, value)
