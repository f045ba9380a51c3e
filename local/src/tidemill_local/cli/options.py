"""What all commands have: the option that names the home folder, and where they print."""

from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="TIDEMILL_HOME", help="Folder of the platform's data, logs and state."),
]
HOME = Path(".tidemill")
KeyOption = Annotated[
    str, typer.Option("--key", envvar="TIDEMILL_API_KEY", help="API key, where gateways ask for one.")
]


def console() -> Console:
    """Open standard output for printing."""
    return Console(highlight=False)


def write_utf8(*streams: TextIO) -> None:
    """Write UTF-8 whatever the locale: in many containers it is ASCII, and marks and names would fail."""
    for stream in streams:
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8")
