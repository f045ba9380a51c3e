"""The file of API keys: made here, followed by gateways, which take each change within a second."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tidemill_contracts.api_keys import ApiKey, ApiKeys
from tidemill_local.cli.errors import CommandFailed

OWNER_ONLY = 0o600


def read_keys(file: Path) -> ApiKeys:
    """Return what the file holds, nothing if there is none; raises CommandFailed when it is no such file."""
    try:
        return ApiKeys.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return ApiKeys()
    except ValidationError as error:
        raise CommandFailed(f"expected API keys in {file}, received something else") from error


def add_key(file: Path, key: ApiKey) -> None:
    """Put a key into force."""
    with _locked(file):
        _write(file, (*read_keys(file).keys, key))


def revoke_key(file: Path, key_id: str) -> ApiKey:
    """Take a key out of force, and return it; raises CommandFailed when there is no such key."""
    with _locked(file):
        keys = {key.id: key for key in read_keys(file).keys}
        if key_id not in keys:
            raise CommandFailed(f"expected the id of a key, one of {sorted(keys)}, received {key_id}")
        revoked = keys.pop(key_id)
        _write(file, tuple(keys.values()))
    return revoked


def show_keys(keys: ApiKeys, console: Console) -> None:
    """Print a table of keys; secrets are not known here."""
    table = Table("id", "name", "may", "models", "requests/s", "created", box=None)
    for key in keys.keys:
        table.add_row(
            key.id,
            Text(key.name),
            ", ".join(sorted(key.roles)),
            "all" if key.models is None else ", ".join(sorted(key.models)),
            "any" if key.quota_per_second is None else f"{key.quota_per_second:g}",
            f"{key.created_at:%Y-%m-%d}",
        )
    console.print(table)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.with_name(f"{file.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(file: Path, keys: tuple[ApiKey, ...]) -> None:
    staged = file.with_name(f"{file.name}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "w") as opened:
        opened.write(ApiKeys(keys=keys).model_dump_json(indent=1))
    staged.replace(file)
