"""The `tidemill data` commands: what there is to learn from, version by version."""
# ruff: noqa: PLC0415, FBT002 - see app.py

from pathlib import Path
from typing import Annotated

import typer

from tidemill_local.cli.options import HOME, HomeOption, console

PipelineArgument = Annotated[str, typer.Argument(help="Name of the pipeline.")]
VersionArgument = Annotated[int, typer.Argument(help="Number of a dataset version.")]
NewestArgument = Annotated[
    int | None,
    typer.Argument(metavar="[VERSION]", help="Number of a dataset version; by default the newest."),
]

data_app = typer.Typer(
    no_args_is_help=True, help="Look at dataset versions: whether or not the platform runs."
)


@data_app.command()
def versions(pipeline: PipelineArgument, home: HomeOption = HOME) -> None:
    """List the dataset versions of a pipeline: spans, rows, checks, and the model trained on each."""
    from tidemill_local.cli.data_versions import show_versions
    from tidemill_local.cli.stored import stored_data

    show_versions(stored_data(home, pipeline), console())


@data_app.command()
def show(
    pipeline: PipelineArgument,
    version: NewestArgument = None,
    span: Annotated[int | None, typer.Option(help="Show a span instead, as it was ingested.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Print this many of its rows instead.")] = 0,
    report: Annotated[bool, typer.Option("--report", help="Print where its report is instead.")] = False,
    home: HomeOption = HOME,
) -> None:
    """Show a dataset version: every column, what models read it as, and what is odd about it."""
    from tidemill_local.cli.answers import Format, show_answer
    from tidemill_local.cli.data_rows import rows_of_span, rows_of_version
    from tidemill_local.cli.data_show import show_version
    from tidemill_local.cli.data_span import show_span
    from tidemill_local.cli.stored import stored_data

    data = stored_data(home, pipeline)
    if span is not None and rows:
        show_answer(rows_of_span(data, span, rows), Format.TABLE, console())
    elif span is not None:
        show_span(data, span, console())
    elif rows:
        show_answer(rows_of_version(data, data.version(version), rows), Format.TABLE, console())
    elif report:
        typer.echo(data.store.uri(data.file(data.version(version), "report.html")))
    else:
        show_version(data, data.version(version), console())


@data_app.command()
def schema(pipeline: PipelineArgument, version: NewestArgument = None, home: HomeOption = HOME) -> None:
    """Print the schema of a dataset version: what its checks expect of every column."""
    from tidemill_local.cli.stored import stored_data

    data = stored_data(home, pipeline)
    typer.echo(data.text(data.version(version), "schema.yaml"), nl=False)


@data_app.command()
def diff(
    pipeline: PipelineArgument, before: VersionArgument, after: VersionArgument, home: HomeOption = HOME
) -> None:
    """Compare two dataset versions: spans, rows, columns, features, spec, and how far each column moved."""
    from tidemill_local.cli.data_diff import show_diff
    from tidemill_local.cli.stored import stored_data

    data = stored_data(home, pipeline)
    show_diff(data, data.version(before), data.version(after), console())


@data_app.command()
def export(
    pipeline: PipelineArgument,
    version: VersionArgument,
    file: Annotated[Path, typer.Argument(help="New file: .parquet, .csv or .jsonl.")],
    home: HomeOption = HOME,
) -> None:
    """Write the rows of a dataset version into a file, as they were when it was made."""
    from tidemill_local.cli.data_rows import export_version
    from tidemill_local.cli.stored import stored_data

    data = stored_data(home, pipeline)
    rows = export_version(data, data.version(version), file)
    console().print(f"{rows:,} rows of {pipeline} version {version} in {file}")


@data_app.command()
def rebuild(pipeline: PipelineArgument, version: VersionArgument, home: HomeOption = HOME) -> None:
    """Make a dataset version again from its spans and spec, and compare; exit with 0 when it is the same."""
    from tidemill_local.cli.rebuilding import rebuild_version
    from tidemill_local.cli.stored import stored_data

    data = stored_data(home, pipeline)
    if not rebuild_version(data, data.version(version), console()):
        raise typer.Exit(1)
