"""Buckets that fail as buckets do."""

import threading
from pathlib import Path

from tidemill_runtime.folder import FolderStore


class HangingStore(FolderStore):
    """Answers once it is told to."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.answers = threading.Event()

    def create(self, name: str, data: bytes) -> bool:
        self.answers.wait()
        return super().create(name, data)


class FullStore(FolderStore):
    """Takes nothing."""

    def create(self, name: str, data: bytes) -> bool:  # noqa: ARG002
        raise OSError("no space left on device")


class ForgetfulStore(FolderStore):
    """Stores, and then loses the first answer."""

    lost = False

    def create(self, name: str, data: bytes) -> bool:
        created = super().create(name, data)
        if not self.lost:
            self.lost = True
            raise OSError("connection reset")
        return created
