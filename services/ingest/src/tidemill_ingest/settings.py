"""Settings of the ingest service."""

from pathlib import Path
from tempfile import gettempdir

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from tidemill_runtime.settings import StorageSettings


class Settings(StorageSettings):
    """Read once, in `main`."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a key that is too short is still one

    port: int = Field(default=8082, ge=0, le=65535, description="Port of the upload API.")
    scratch_folder: Path = Field(default=Path(gettempdir()), description="Where files are worked on.")
    max_file_bytes: int = Field(default=5 << 30, gt=0, description="Largest file that is read.")
    max_decompressed_bytes: int = Field(
        default=20 << 30, gt=0, description="Largest content of a compressed file."
    )
    concurrency: int = Field(default=2, gt=0, description="Drops worked on at once.")
    privacy_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Key of the hashes that stand for personal values; without one, a file that has any to "
        "hash is refused.",
    )
    staging_prefix: str = Field(
        default="staging/",
        pattern=r"^[^/.][^/]*/(.*/)?$",
        description="Where objects may lie that a manifest lists, besides the pipeline's own drops; "
        "`{pipeline}` in it stands for the pipeline's name.",
    )
    upload_keep_seconds: float = Field(
        default=7 * 24 * 3600, gt=0, description="How long an upload in pieces may take."
    )
    max_record_request_bytes: int = Field(
        default=4 << 20, gt=0, description="Largest request that sends records."
    )
    record_batch_rows: int = Field(default=50_000, gt=0, description="Records that are enough for a drop.")
    record_batch_bytes: int = Field(
        default=32 << 20, gt=0, description="Bytes of records that are enough for a drop."
    )
    record_batch_seconds: float = Field(
        default=60, gt=0, description="Age of a record at which whatever there is becomes a drop."
    )
    max_pending_record_bytes: int = Field(
        default=256 << 20, gt=0, description="Records of one pipeline that may wait before more are refused."
    )
