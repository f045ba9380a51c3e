"""`tidemill release`, `promote`, `rollback`: each command's arguments, and what it calls."""
# ruff: noqa: PLC0415 - imports when run

from typing import Annotated

import typer

from tidemill_local.cli.options import HOME, HomeOption, console

release_app = typer.Typer()


@release_app.command()
def release(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline; by default, of all.")] = "",
    home: HomeOption = HOME,
) -> None:
    """Show which versions answer, in which shares, and what the verdict says of a running release."""
    from tidemill_local.cli.releasing import show_releases
    from tidemill_local.cli.running import find

    show_releases(find(home), pipeline, console())


@release_app.command()
def promote(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[
        int, typer.Argument(min=0, metavar="[VERSION]", help="By default, the one being released.")
    ] = 0,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "",
    home: HomeOption = HOME,
) -> None:
    """Let a version answer all requests now, whatever its release waits for."""
    from tidemill_local.cli.releasing import promote as promote_now
    from tidemill_local.cli.running import find

    promote_now(find(home), pipeline, version, reason, console())


@release_app.command()
def rollback(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[
        int,
        typer.Argument(
            min=0, metavar="[VERSION]", help="By default, the one being released, or else the stable one."
        ),
    ] = 0,
    reason: Annotated[str, typer.Option(help="Why; it is written down.")] = "",
    home: HomeOption = HOME,
) -> None:
    """Take a version back now: the one before it answers."""
    from tidemill_local.cli.releasing import roll_back
    from tidemill_local.cli.running import find

    roll_back(find(home), pipeline, version, reason, console())
