"""The `tidemill key` commands: who may call gateways."""
# ruff: noqa: PLC0415, PLR0913, PLR0917 - see app.py; a key has as many properties

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from tidemill_contracts.api_keys import Role
from tidemill_local.cli.options import HOME, HomeOption, console

FileOption = Annotated[
    Path | None,
    typer.Option(
        "--file", envvar="TIDEMILL_API_KEYS_FILE", help="File of keys; by default api-keys.json in the home."
    ),
]

key_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API keys of gateways.")


@key_app.command()
def create(
    role: Annotated[list[Role], typer.Option(help="What it may do; can be given several times.")],
    name: Annotated[str, typer.Option(help="Whose key it is.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="Model it may ask, by default all.")] = None,
    quota: Annotated[float | None, typer.Option(min=0.001, help="Requests a second.")] = None,
    burst: Annotated[int | None, typer.Option(min=1, help="Requests at once, by default a second's.")] = None,
    file: FileOption = None,
    home: HomeOption = HOME,
) -> None:
    """Make a key and print it, this once: only its hash is kept."""
    from tidemill_contracts.api_keys import new_key
    from tidemill_local.cli.keys import add_key

    key, kept = new_key(
        name,
        frozenset(role),
        datetime.now(UTC),
        models=frozenset(model) if model else None,
        quota_per_second=quota,
        burst=burst,
    )
    path = _file(file, home)
    add_key(path, kept)
    typer.echo(f"gateways ask for keys where they run with TIDEMILL_API_KEYS_FILE={path.resolve()}", err=True)
    typer.echo(f"key {kept.id} is in {path}; it cannot be shown again:", err=True)
    typer.echo(key)


@key_app.command("list")
def list_keys(file: FileOption = None, home: HomeOption = HOME) -> None:
    """List the keys that are in force."""
    from tidemill_local.cli.keys import read_keys, show_keys

    show_keys(read_keys(_file(file, home)), console())


@key_app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the key: its middle part.")],
    file: FileOption = None,
    home: HomeOption = HOME,
) -> None:
    """Take a key out of force: gateways refuse it within a second."""
    from tidemill_local.cli.keys import revoke_key

    revoked = revoke_key(_file(file, home), key_id)
    typer.echo(f"key {revoked.id} {revoked.name}".rstrip() + " is revoked")


def _file(file: Path | None, home: Path) -> Path:
    return file or home / "api-keys.json"
