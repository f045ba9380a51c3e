"""The `tidemill` command: every subcommand's arguments, and what it calls.

What a command needs is imported when it runs: most of it takes longer to import than `--help` should take.
"""
# ruff: noqa: PLC0415, FBT002, PLR0913, PLR0917 - imports when run; arguments are how the library declares options

import logging
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from tidemill_local.cli.answers import Format, show_answer
from tidemill_local.cli.data_app import data_app
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.graph_app import graph_app
from tidemill_local.cli.key_app import key_app
from tidemill_local.cli.options import HOME, HomeOption, KeyOption, console, write_utf8
from tidemill_local.cli.release_app import release_app
from tidemill_local.supervisor.home import AlreadyRunning, NotRunning
from tidemill_local.supervisor.platform import StartFailed


class Commands(TyperGroup):
    """Turns what went wrong into an error message and exit code 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandFailed, AlreadyRunning, NotRunning, StartFailed, OSError) as error:
            Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "red"), str(error)))
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Drop a file; get a validated, monitored model behind an API.",
)

FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
app.add_typer(data_app, name="data")
app.add_typer(graph_app, name="graph")
app.add_typer(key_app, name="key")
app.add_typer(release_app)


@app.command()
def demo(
    home: Annotated[Path | None, typer.Option(help="Use this folder, and keep it.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the temporary folder.")] = False,
) -> None:
    """Start a platform, drop a month of flights, ask the model, stop: all within a minute."""
    from tidemill_local.cli.demo import run_demo
    from tidemill_local.cli.upping import stoppable

    folder = home or Path(tempfile.mkdtemp(prefix="tidemill-demo-"))
    try:
        with stoppable():
            run_demo(folder, console(), sys.argv[0])
    finally:
        if home is None and not keep:
            shutil.rmtree(folder, ignore_errors=True)
        elif folder.is_dir():
            console().print(f"kept in {folder}; look at it with: tidemill up --home {folder}")


@app.command()
def up(home: HomeOption = HOME) -> None:
    """Start the platform and keep it running until Ctrl-C."""
    from tidemill_local.cli.upping import run_platform

    run_platform(home, console())


@app.command()
def down(home: HomeOption = HOME) -> None:
    """Stop the platform that runs in another terminal."""
    from tidemill_local.cli.upping import stop_platform

    stop_platform(home)
    console().print("stopped")


@app.command()
def apply(file: FileArgument, home: HomeOption = HOME) -> None:
    """Check a pipeline spec and put it in force."""
    from tidemill_local.cli.pipelines import apply_spec
    from tidemill_local.cli.running import find

    pipeline = apply_spec(find(home), file)
    console().print(
        f"pipeline {pipeline.name} is in force; feed it with: tidemill drop FILE -p {pipeline.name}"
    )


@app.command()
def delete(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    key: KeyOption = "",
    home: HomeOption = HOME,
) -> None:
    """Delete a pipeline: its model answers no more; data and models made of it stay in the bucket."""
    from tidemill_local.cli.pipelines import check_known, delete_pipeline
    from tidemill_local.cli.running import find

    running = find(home, key)
    check_known(running, pipeline)
    if not yes:
        typer.confirm(f"delete the pipeline {pipeline}, so that its model answers no more?", abort=True)
    delete_pipeline(running, pipeline)
    console().print(
        f"pipeline {pipeline} is deleted, its model answers no more; what was made of it stays in "
        f"{running.home.bucket}, and tidemill apply FILE begins anew"
    )


@app.command()
def drop(
    file: FileArgument,
    pipeline: Annotated[str, typer.Option("--pipeline", "-p", help="Pipeline to feed.")] = "",
    spec: Annotated[Path | None, typer.Option(help="Apply this spec first, and feed its pipeline.")] = None,
    follow: Annotated[
        bool, typer.Option(help="Show what happens, until a model serves or the file is refused.")
    ] = True,
    home: HomeOption = HOME,
) -> None:
    """Drop a file into a pipeline; exit with 0 only when it ends in a served model, or is nothing new."""
    from tidemill_local.cli.dropping import drop_and_follow
    from tidemill_local.cli.pipelines import apply_spec
    from tidemill_local.cli.running import find

    running = find(home)
    name = apply_spec(running, spec).name if spec else pipeline
    if not name:
        raise typer.BadParameter("expected --pipeline NAME or --spec FILE, received neither")
    if not drop_and_follow(running, name, file, console(), until_end=follow):
        raise typer.Exit(1)


@app.command()
def status(key: KeyOption = "", home: HomeOption = HOME) -> None:
    """Show what runs, what is served and what went wrong; exit with 0 only when everything is ready."""
    from tidemill_local.cli.running import find
    from tidemill_local.cli.status import show_status

    if not show_status(find(home, key), console()):
        raise typer.Exit(1)


@app.command()
def predict(
    model: Annotated[str, typer.Argument(help="Name of the pipeline that made the model.")],
    values: Annotated[list[str] | None, typer.Argument(metavar="[KEY=VALUE]...")] = None,
    file: Annotated[Path | None, typer.Option("--from", help="Take the row from this CSV file.")] = None,
    row: Annotated[int, typer.Option(min=1, help="Number of that row below the header.")] = 1,
    document: Annotated[str, typer.Option("--json", help="Send this instance, as JSON.")] = "",
    key: KeyOption = "",
    home: HomeOption = HOME,
) -> None:
    """Ask a model for one prediction; what is not given is missing to it."""
    from tidemill_local.cli.predicting import find_model, print_answer
    from tidemill_local.cli.running import find

    served = find_model(find(home).gateway, model, key)
    instance = served.parse(document) if document else served.question(values or [], file, row)
    print_answer(served.ask(instance), console())


@app.command()
def events(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as they happen.")] = False,
    pipeline: Annotated[str | None, typer.Option("--pipeline", "-p", help="Of this pipeline only.")] = None,
    correlation: Annotated[
        str | None, typer.Option(help="Of the drop with this correlation id only.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Latest events to show.")] = 50,
    home: HomeOption = HOME,
) -> None:
    """Show the ledger: everything that happened, in order."""
    from tidemill_local.cli.happenings import show_events
    from tidemill_local.cli.running import find

    show_events(
        find(home),
        console(),
        pipeline=pipeline,
        correlation_id=correlation,
        limit=limit,
        until_stopped=follow,
    )


@app.command()
def retrain(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    span: Annotated[
        int | None, typer.Option(help="Use data up to this span; by default, to the newest.")
    ] = None,
    follow: Annotated[bool, typer.Option(help="Show what happens, until a model serves.")] = True,
    home: HomeOption = HOME,
) -> None:
    """Train a new model by the spec in force, without a new file."""
    from tidemill_local.cli.retraining import retrain as ask_for_model
    from tidemill_local.cli.running import find
    from tidemill_local.cli.stored import stored_data

    running = find(home)
    if not ask_for_model(running, stored_data(home, pipeline), span, console(), until_end=follow):
        raise typer.Exit(1)


@app.command()
def backfill(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    folder: Annotated[Path, typer.Argument(exists=True, file_okay=False, readable=True)],
    glob: Annotated[str, typer.Option(help="Which files; **/* looks into folders too.")] = "*",
    follow: Annotated[
        bool, typer.Option(help="Show what the last file causes, until a model serves.")
    ] = True,
    home: HomeOption = HOME,
) -> None:
    """Drop the files of a folder one after another, m2 before m10; exit with 0 only when none was refused."""
    from tidemill_local.cli.backfilling import backfill as drop_all
    from tidemill_local.cli.backfilling import files_of
    from tidemill_local.cli.running import find

    if not drop_all(find(home), pipeline, files_of(folder, glob), console(), until_end=follow):
        raise typer.Exit(1)


@app.command()
def mlflow(
    port: Annotated[
        int, typer.Option(min=1024, max=65535, help="Port, or the next one that is free.")
    ] = 5000,
    home: HomeOption = HOME,
) -> None:
    """Open MLflow on all trainings, trials and models; the platform need not run. Ctrl-C stops it."""
    from tidemill_local.cli.mlflow_ui import open_mlflow

    open_mlflow(home, port, console())


@app.command()
def card(
    pipeline: Annotated[str, typer.Argument(help="Name of the pipeline.")],
    version: Annotated[
        int | None, typer.Argument(metavar="[VERSION]", help="Model version; by default the newest.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The numbers as JSON instead of the page.")] = False,
    open_it: Annotated[bool, typer.Option("--open", help="Open it as well.")] = False,
    home: HomeOption = HOME,
) -> None:
    """Print where the card of a model is: verdict, metrics and limits; the platform need not run."""
    from tidemill_local.cli.cards import find_card
    from tidemill_local.cli.stored import stored_data

    path = find_card(stored_data(home, pipeline), version, "card.json" if as_json else "card.html")
    typer.echo(path)
    if open_it:
        typer.launch(str(path))


@app.command()
def sql(
    query: Annotated[
        str, typer.Argument(help='Such as "SELECT * FROM datasets"; none lists the tables.')
    ] = "",
    format_: Annotated[Format, typer.Option("--format", help="How the answer is written.")] = Format.TABLE,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Most rows to show; 0 shows all.")] = 100,
    home: HomeOption = HOME,
) -> None:
    """Ask the warehouse, in DuckDB's SQL; nothing can be changed, and the platform need not run."""
    from tidemill_local.cli.querying import TABLES, ask
    from tidemill_local.cli.stored import stored_bucket

    answer = ask(stored_bucket(home), query or TABLES, limit)
    show_answer(answer, format_, console())
    if answer.is_cut:
        typer.echo(f"the first {limit:,} rows; --limit 0 shows all", err=True)


def main() -> None:
    """Run the command line."""
    # What went wrong is said once, in the command's own words.
    logging.getLogger("google").addHandler(logging.NullHandler())
    write_utf8(sys.stdout, sys.stderr)
    app()
