"""Drops of several files, in two ways: a folder that `_SUCCESS` completes, or a manifest of objects.

Files that are named as writers of large data name their parts wait, in a folder of a pipeline's drops, for a
`_SUCCESS` in the same folder. A manifest lists objects of the pipeline's drops or below the staging prefix.
Either is one drop, under the name of the `_SUCCESS` or the manifest.
"""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidemill_contracts import layout
from tidemill_contracts.notification import ObjectFinalized
from tidemill_ingest import metrics
from tidemill_ingest.errors import Refused
from tidemill_ingest.sources import Source
from tidemill_runtime.logs import get_logger
from tidemill_runtime.objects import ObjectInfo, ObjectNotFound, ObjectStore

PART_NAME = re.compile(r"part-.+|.+-\d{5,}-of-\d{5,}.*", re.DOTALL)
NUMBERED = re.compile(r"(.+)-(\d{5,9})-of-(\d{5,9})", re.DOTALL | re.ASCII)
SUCCESS = "_SUCCESS"
MANIFEST_SUFFIX = ".manifest.json"
MAX_PARTS = 10_000
MAX_MANIFEST_BYTES = 8 << 20


class Listed(BaseModel):
    """An object as a manifest lists it; whatever it says must be so."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    generation: int | None = None
    size_bytes: int | None = Field(default=None, alias="sizeBytes")
    crc32c: str | None = None
    md5: str | None = None


class DropManifest(BaseModel):
    """The content of `NAME.manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    objects: Annotated[tuple[Listed, ...], Field(min_length=1, max_length=MAX_PARTS)]


def is_part(object_name: str) -> bool:
    """Say whether a drop waits for the `_SUCCESS` of its folder."""
    segments = object_name.split("/")
    return len(segments) >= 4 and PART_NAME.fullmatch(segments[-1]) is not None


def completes_folder(object_name: str) -> bool:
    """Say whether a drop says that its folder's parts are all there."""
    segments = object_name.split("/")
    return len(segments) >= 4 and segments[-1] == SUCCESS


def success_of(part_name: str) -> str:
    """Name the object that a part waits for."""
    return f"{part_name.rpartition('/')[0]}/{SUCCESS}"


def parts_of_folder(store: ObjectStore, success_name: str) -> list[Source]:
    """Describe the parts beside a `_SUCCESS`, in the order of their names; raise Refused without any."""
    folder = success_name.removesuffix(SUCCESS)
    names = [name for name in store.list(folder) if is_part(name) and name.rpartition("/")[0] + "/" == folder]
    if not 0 < len(names) <= MAX_PARTS:
        raise Refused(
            "no-parts" if not names else "too-many-parts",
            f"expected 1 to {MAX_PARTS} files named as parts are beside {success_name}, found {len(names)}",
        )
    _check_numbered(names)
    return [_source(_stat(store, name)) for name in names]


def parts_of_manifest(store: ObjectStore, pipeline: str, text: bytes, staging_prefix: str) -> list[Source]:
    """Describe the objects that a manifest lists, in the order of their names.

    Raises:
        Refused: the manifest is none, or lists what is not there, not so, or not allowed; the first is named.
    """
    try:
        listed = sorted(DropManifest.model_validate_json(text).objects, key=lambda each: each.name)
    except ValidationError as error:
        details = "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:3]
        )
        raise Refused(
            "invalid-manifest", f'expected {{"objects": [{{"name": ...}}, ...]}}, {details}'
        ) from error
    prefixes = (layout.drop(pipeline, ""), staging_prefix.replace("{pipeline}", pipeline))
    for each, following in zip(listed, [*listed[1:], None], strict=True):
        if not _is_allowed(each.name, prefixes):
            raise Refused(
                "part-not-allowed",
                f"expected objects below {' or '.join(prefixes)}, received {each.name!r:.300}",
            )
        if following and following.name == each.name:
            raise Refused("invalid-manifest", f"expected every object once, received {each.name!r} twice")
    return [_checked(_stat(store, each.name), each) for each in listed]


def note_part(store: ObjectStore, new: ObjectFinalized) -> None:
    """Say that a part waits, or came when its folder was complete already."""
    try:
        is_late = store.stat(success_of(new.name)).generation < new.generation
    except ObjectNotFound:
        get_logger().info("part-waits", object=new.name, bytes=new.size_bytes)
        return
    if is_late:
        get_logger().warning("part-came-late", object=new.name, reason=f"drop {SUCCESS} again to ingest it")


def count_waiting(store: ObjectStore) -> None:
    """Measure how many parts have no `_SUCCESS` yet."""
    names = store.list(layout.DROPS)
    complete = {name for name in names if completes_folder(name)}
    metrics.WAITING_PARTS.set(sum(is_part(name) and success_of(name) not in complete for name in names))


def _check_numbered(names: list[str]) -> None:
    """Names that say how many parts there are say which one is missing."""
    found: dict[tuple[str, str, int], set[int]] = {}
    for name in names:
        if match := NUMBERED.match(name):
            stem, number, total = match.groups()
            found.setdefault((stem, total, len(number)), set()).add(int(number))
    for (stem, total, digits), numbers in found.items():
        missing = next(
            (number for number in range(min(int(total), MAX_PARTS)) if number not in numbers), None
        )
        if missing is not None:
            raise Refused(
                "part-missing",
                f"{stem}-{missing:0{digits}d}-of-{total}: expected a part of this name, there is none",
            )


def _is_allowed(name: str, prefixes: tuple[str, ...]) -> bool:
    # A folder follows `..` where Cloud Storage takes it for a name.
    steps = name.split("/")
    return name.startswith(prefixes) and not any(step in ("", ".", "..") for step in steps)


def _stat(store: ObjectStore, name: str) -> ObjectInfo:
    try:
        return store.stat(name)
    except ObjectNotFound as error:
        raise Refused("part-missing", f"{name}: expected an object, there is none") from error


def _source(found: ObjectInfo, md5: str | None = None) -> Source:
    return Source(found.name, found.generation, found.size_bytes, found.crc32c, md5)


def _checked(found: ObjectInfo, listed: Listed) -> Source:
    for what, expected, present in (
        ("generation", listed.generation, found.generation),
        ("sizeBytes", listed.size_bytes, found.size_bytes),
        ("crc32c", listed.crc32c, found.crc32c),
    ):
        if expected is not None and expected != present:
            raise Refused("part-changed", f"{found.name}: expected {what} {expected}, present is {present}")
    return _source(found, listed.md5)
