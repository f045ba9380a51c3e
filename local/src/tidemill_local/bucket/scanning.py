"""What lies in the folder now, as names and stamps that change when a file does."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tidemill_runtime.logs import get_logger


class Stamp(NamedTuple):
    """What tells two states of a file apart without reading it."""

    size_bytes: int
    mtime_ns: int
    ctime_ns: int

    @property
    def generation(self) -> int:
        """The generation that the folder store gives the file: microseconds of its last change."""
        return max(self.mtime_ns, self.ctime_ns) // 1000

    @property
    def is_finished(self) -> bool:
        """Say whether something renamed, copied attributes to, or otherwise closed the file off.

        A write moves both times together; a rename, or `cp -p` when it is done, moves only the change time.
        """
        return self.ctime_ns > self.mtime_ns


def stamp_of(status: os.stat_result) -> Stamp:
    """Take the stamp out of what the system says of a file."""
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


class Scanner:
    """Lists the files below one prefix of the bucket; what can be no object is warned of once."""

    def __init__(self, root: Path, prefix: str) -> None:
        self._root = root
        self._prefix = prefix
        self._warned: set[str] = set()

    def scan(self) -> dict[str, Stamp]:
        """Return every object's name and stamp; files that vanish meanwhile are left out."""
        return dict(self._walk(self._root / self._prefix, self._prefix))

    def covers(self, name: str) -> bool:
        """Say whether a scan would find this object, were it there."""
        return name.startswith(self._prefix)

    def _walk(self, folder: Path, prefix: str) -> Iterator[tuple[str, Stamp]]:
        try:
            entries = list(os.scandir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        except PermissionError:
            self._warn(prefix, "expected a folder that may be read")
            return
        for entry in entries:
            name = prefix + entry.name
            if entry.name.startswith(".") or not self._can_be_object(entry, name):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(Path(entry.path), f"{name}/")
                continue
            try:
                yield name, stamp_of(entry.stat(follow_symlinks=False))
            except FileNotFoundError:
                continue

    def _can_be_object(self, entry: os.DirEntry[str], name: str) -> bool:
        if entry.is_symlink():
            return self._warn(name, "expected a file or folder, found a symbolic link")
        if not (entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)):
            return self._warn(name, "expected a file or folder, found a device, pipe or socket")
        try:
            name.encode()
        except UnicodeEncodeError:
            return self._warn(name, "expected a name in UTF-8")
        return True

    def _warn(self, name: str, reason: str) -> bool:
        if name not in self._warned:
            self._warned.add(name)
            get_logger().warning("file-ignored", object=ascii(name), reason=reason)
        return False
