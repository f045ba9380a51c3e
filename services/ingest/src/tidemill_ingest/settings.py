"""Settings of the ingest service."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field

from tidemill_runtime.settings import StorageSettings


class Settings(StorageSettings):
    """Read once, in `main`."""

    port: int = Field(default=8082, ge=0, le=65535, description="Port of the upload API.")
    scratch_folder: Path = Field(default=Path(gettempdir()), description="Where files are worked on.")
    max_file_bytes: int = Field(default=5 << 30, gt=0, description="Largest file that is read.")
    max_decompressed_bytes: int = Field(
        default=20 << 30, gt=0, description="Largest content of a compressed file."
    )
    concurrency: int = Field(default=2, gt=0, description="Drops worked on at once.")
