"""Cloud Storage as the bucket, through the official client."""

import builtins
from pathlib import Path
from typing import BinaryIO, cast

from google.api_core.exceptions import NotFound, PreconditionFailed
from google.cloud.storage import Client

from tidemill_runtime.objects import ObjectInfo, ObjectNotFound

TIMEOUT_SECONDS = 60


class CloudStore:
    """One Cloud Storage bucket. Credentials and emulator come from the client's own environment."""

    def __init__(self, bucket: str) -> None:
        self._client = Client()
        self._bucket = self._client.bucket(bucket)

    @property
    def bucket(self) -> str:
        return str(self._bucket.name)

    def uri(self, name: str) -> str:
        return f"gs://{self.bucket}/{name}"

    def stat(self, name: str) -> ObjectInfo:
        blob = self._bucket.get_blob(name, timeout=TIMEOUT_SECONDS)
        if blob is None:
            raise _missing(name)
        return ObjectInfo(name=name, generation=blob.generation, size_bytes=blob.size, crc32c=blob.crc32c)

    def read(self, name: str) -> bytes:
        try:
            return bytes(self._bucket.blob(name).download_as_bytes(timeout=TIMEOUT_SECONDS))
        except NotFound as error:
            raise _missing(name) from error

    def open(self, name: str, generation: int) -> BinaryIO:
        blob = self._bucket.get_blob(name, generation=generation, timeout=TIMEOUT_SECONDS)
        if blob is None:
            raise ObjectNotFound(f"{name}: expected generation {generation}, it is gone")
        return cast("BinaryIO", blob.open("rb", timeout=TIMEOUT_SECONDS))

    def write(self, name: str, data: bytes) -> None:
        self._bucket.blob(name).upload_from_string(data, timeout=TIMEOUT_SECONDS)

    def create(self, name: str, data: bytes) -> bool:
        try:
            blob = self._bucket.blob(name)
            blob.upload_from_string(data, if_generation_match=0, timeout=TIMEOUT_SECONDS)
        except PreconditionFailed:
            return False
        return True

    def upload(self, name: str, path: Path) -> None:
        self._bucket.blob(name).upload_from_filename(str(path), timeout=TIMEOUT_SECONDS)

    def download(self, name: str, path: Path) -> None:
        try:
            self._bucket.blob(name).download_to_filename(str(path), timeout=TIMEOUT_SECONDS)
        except NotFound as error:
            raise _missing(name) from error

    def list(self, prefix: str) -> builtins.list[str]:
        blobs = self._client.list_blobs(self._bucket, prefix=prefix, timeout=TIMEOUT_SECONDS)
        return sorted(blob.name for blob in blobs)

    def delete(self, name: str) -> None:
        try:
            self._bucket.blob(name).delete(timeout=TIMEOUT_SECONDS)
        except NotFound:
            return


def _missing(name: str) -> ObjectNotFound:
    return ObjectNotFound(f"{name}: expected an object, there is none")
