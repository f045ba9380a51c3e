"""Settings of the bucket watcher."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import Field

from tidemill_runtime.settings import ServiceSettings


class BucketSettings(ServiceSettings):
    """Which folder is watched, how often, and when a file counts as complete."""

    bucket_url: str = Field(pattern=r"^file:///.+$", description="The folder to watch, `file:///FOLDER`.")
    announced_path: Path = Field(description="SQLite file that remembers what was announced.")
    poll_seconds: float = Field(
        default=0.2, gt=0, description="Pause between scans; a slow scan pauses longer."
    )
    settle_seconds: float = Field(
        default=2.0, gt=0, description="How long a file written in place must stay unchanged to be complete."
    )

    @property
    def root(self) -> Path:
        """The folder."""
        return Path(url2pathname(urlsplit(self.bucket_url).path)).resolve()
