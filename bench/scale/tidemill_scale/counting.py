"""A bucket that counts what is asked of it, as Cloud Storage would bill and limit it."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from tidemill_runtime.objects import ObjectInfo, ObjectStore

NAMES_PER_PAGE = 1000


@dataclass
class Counted:
    """`writes`, listings by page and `reads` are requests; `writes_by_name` tells which object is hot."""

    writes: int = 0
    pages: int = 0
    reads: int = 0
    listed: int = 0
    writes_by_name: Counter[str] = field(default_factory=Counter)


@dataclass
class CountingStore:
    """An ObjectStore in front of another one."""

    inner: ObjectStore
    counted: Counted = field(default_factory=Counted)

    @property
    def bucket(self) -> str:
        return self.inner.bucket

    def uri(self, name: str) -> str:
        return self.inner.uri(name)

    def stat(self, name: str) -> ObjectInfo:
        self.counted.reads += 1
        return self.inner.stat(name)

    def read(self, name: str) -> bytes:
        self.counted.reads += 1
        return self.inner.read(name)

    def open(self, name: str, generation: int) -> BinaryIO:
        # The client asks for the object's description first.
        self.counted.reads += 2
        return self.inner.open(name, generation)

    def write(self, name: str, data: bytes) -> None:
        self._written(name)
        self.inner.write(name, data)

    def create(self, name: str, data: bytes) -> bool:
        self._written(name)
        return self.inner.create(name, data)

    def upload(self, name: str, path: Path) -> None:
        self._written(name)
        self.inner.upload(name, path)

    def download(self, name: str, path: Path) -> None:
        self.counted.reads += 1
        self.inner.download(name, path)

    def list(self, prefix: str) -> "list[str]":
        names = self.inner.list(prefix)
        self.counted.listed += len(names)
        self.counted.pages += max(1, -(-len(names) // NAMES_PER_PAGE))
        return names

    def delete(self, name: str) -> None:
        self.inner.delete(name)

    def _written(self, name: str) -> None:
        self.counted.writes += 1
        self.counted.writes_by_name[name] += 1
