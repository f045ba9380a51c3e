"""What the supervisor and the CLI take from the environment."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Where the platform of this machine lives."""

    model_config = SettingsConfigDict(env_prefix="TIDEMILL_", frozen=True)

    home: Path = Field(
        default=Path(".tidemill"), description="Folder of the platform's data, logs and state."
    )


def inherited_environment() -> Mapping[str, str]:
    """Return the environment that processes inherit: everything that was set for the supervisor."""
    return dict(os.environ)
