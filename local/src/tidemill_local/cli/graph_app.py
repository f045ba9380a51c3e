"""The `tidemill graph` commands: several models behind one name."""
# ruff: noqa: PLC0415, FBT002 - see app.py

from pathlib import Path
from typing import Annotated

import typer

from tidemill_local.cli.options import HOME, HomeOption, KeyOption, console

NameArgument = Annotated[str, typer.Argument(help="Name of the graph.")]

graph_app = typer.Typer(no_args_is_help=True, help="Put inference graphs in force, and look at them.")


@graph_app.command()
def apply(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)],
    wait: Annotated[bool, typer.Option(help="Wait until it is served, or it is known why not.")] = True,
    key: KeyOption = "",
    home: HomeOption = HOME,
) -> None:
    """Check a graph and put it in force; exit with 0 only when it is served."""
    from tidemill_local.cli.graphs import apply_graph, await_served
    from tidemill_local.cli.running import find

    running = find(home, key)
    name = apply_graph(running, file)
    console().print(f"graph {name} is in force")
    if wait:
        await_served(running, name)
        console().print(f"graph {name} is served; ask it as a model: tidemill predict {name}")


@graph_app.command("list")
def list_graphs(home: HomeOption = HOME) -> None:
    """List the graphs, with the models that they ask, and whether they are served."""
    from tidemill_local.cli.graphs import graph_table
    from tidemill_local.cli.running import find

    console().print(graph_table(find(home)))


@graph_app.command()
def show(name: NameArgument, key: KeyOption = "", home: HomeOption = HOME) -> None:
    """Print a graph as it was written, whether it is served, and what it takes and gives."""
    from tidemill_local.cli.graphs import show_graph
    from tidemill_local.cli.running import find

    show_graph(find(home, key), name, console())


@graph_app.command()
def delete(name: NameArgument, home: HomeOption = HOME) -> None:
    """Take a graph out of force."""
    from tidemill_local.cli.graphs import delete_graph
    from tidemill_local.cli.running import find

    delete_graph(find(home), name)
    console().print(f"graph {name} is deleted")
