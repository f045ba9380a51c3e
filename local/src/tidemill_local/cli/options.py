"""What all commands have: the option that names the home folder, and where they print."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

HomeOption = Annotated[
    Path,
    typer.Option("--home", envvar="TIDEMILL_HOME", help="Folder of the platform's data, logs and state."),
]
HOME = Path(".tidemill")


def console() -> Console:
    """Open standard output for printing."""
    return Console(highlight=False)
