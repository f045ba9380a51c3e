"""A folder that behaves as a bucket: generations, atomic replacement, creation only once."""

import os
import shutil
import time
import uuid
from base64 import b64encode
from pathlib import Path
from typing import BinaryIO

import google_crc32c

from tidemill_runtime.objects import ObjectInfo, ObjectNotFound

# Names starting with a dot are not objects: half-written files live in this one until they are complete.
STAGING = ".staging"
CHUNK_BYTES = 1 << 20
RENAME_LEAD_NS = 20_000_000


class FolderStore:
    """Objects are files below `root`; the folder's name is the bucket's.

    A generation is the time of the file's last change in microseconds, as Cloud Storage's are microseconds of
    creation. Attributes count: content may be replaced by a file with the same modification time. Files are
    replaced by renaming, so an open file keeps its content.
    """

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()
        (self._root / STAGING).mkdir(parents=True, exist_ok=True)

    @property
    def bucket(self) -> str:
        return self._root.name

    def uri(self, name: str) -> str:
        return str(self._path(name))

    def stat(self, name: str) -> ObjectInfo:
        with self._open(name) as file:
            return ObjectInfo(
                name=name,
                generation=_generation(file),
                size_bytes=os.fstat(file.fileno()).st_size,
                crc32c=_crc32c(file),
            )

    def read(self, name: str) -> bytes:
        with self._open(name) as file:
            return file.read()

    def open(self, name: str, generation: int) -> BinaryIO:
        file = self._open(name)
        present = _generation(file)
        if present != generation:
            file.close()
            raise ObjectNotFound(f"{name}: expected generation {generation}, present is {present}")
        return file

    def write(self, name: str, data: bytes) -> None:
        staged = self._stage(data)
        self._ready(name)
        staged.replace(self._path(name))

    def create(self, name: str, data: bytes) -> bool:
        staged = self._stage(data)
        self._ready(name)
        try:
            # A hard link fails where a rename would replace: the first writer wins, with its whole content.
            os.link(staged, self._path(name))
        except FileExistsError:
            return False
        finally:
            staged.unlink()
        return True

    def upload(self, name: str, path: Path) -> None:
        self._ready(name)
        staged = self._staged_path()
        shutil.move(path, staged)
        _stamp(staged)
        staged.replace(self._path(name))

    def download(self, name: str, path: Path) -> None:
        with self._open(name) as source, path.open("wb") as target:
            shutil.copyfileobj(source, target, CHUNK_BYTES)

    def list(self, prefix: str) -> list[str]:
        names = []
        start = self._root / prefix.rpartition("/")[0]
        for folder, folders, files in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            relative = Path(folder).relative_to(self._root)
            names += [(relative / name).as_posix() for name in files if not name.startswith(".")]
        return sorted(name for name in names if name.startswith(prefix))

    def delete(self, name: str) -> None:
        self._path(name).unlink(missing_ok=True)

    def _open(self, name: str) -> BinaryIO:
        try:
            return self._path(name).open("rb")
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
            raise ObjectNotFound(f"{name}: expected an object, there is none") from error

    def _path(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root) or path == self._root:
            raise ObjectNotFound(f"{name!r}: expected an object name inside the bucket")
        return path

    def _ready(self, name: str) -> None:
        self._path(name).parent.mkdir(parents=True, exist_ok=True)

    def _staged_path(self) -> Path:
        return self._root / STAGING / uuid.uuid4().hex

    def _stage(self, data: bytes) -> Path:
        staged = self._staged_path()
        staged.write_bytes(data)
        _stamp(staged)
        return staged


def _stamp(staged: Path) -> None:
    """Give a file the time it becomes readable, not the one it was moved here with.

    A little earlier, in fact: a rename that is clearly later than the last write tells whoever watches the
    folder that the file is complete.
    """
    time_ns = time.time_ns() - RENAME_LEAD_NS
    os.utime(staged, ns=(time_ns, time_ns))


def _generation(file: BinaryIO) -> int:
    status = os.fstat(file.fileno())
    return max(status.st_mtime_ns, status.st_ctime_ns) // 1000


def _crc32c(file: BinaryIO) -> str:
    checksum = google_crc32c.Checksum()
    while chunk := file.read(CHUNK_BYTES):
        checksum.update(chunk)
    return b64encode(checksum.digest()).decode()
