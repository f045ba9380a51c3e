"""Rules of `tidemill card`: it finds the page of a model, of rejected ones too."""

from pathlib import Path

import pytest
from prepared_home import prepare
from typer.testing import CliRunner, Result

from tidemill_contracts import layout
from tidemill_local.cli.app import app
from tidemill_local.supervisor.home import Home
from tidemill_runtime.folder import FolderStore
from tidemill_runtime.sequence import Sequence


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two numbered models with cards, and a third that has none yet."""
    home = Home(tmp_path)
    prepare(home)
    store = FolderStore(home.bucket)
    for model_id in ("model1", "model2", "model3"):
        Sequence(store, layout.MODEL_SEQUENCE, "flights").allocate(model_id)
    for model_id in ("model1", "model2"):
        for file in ("card.html", "card.json"):
            store.write(layout.model_card("flights", model_id, file), f"{file} of {model_id}".encode())
    return home


def card(home: Home, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["card", *arguments, "--home", str(home.path)])


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (["flights"], "card.html of model2"),
        (["flights", "1"], "card.html of model1"),
        (["flights", "2", "--json"], "card.json of model2"),
    ],
)
def test_the_card_of_a_version_is_found(home: Home, arguments: list[str], content: str) -> None:
    result = card(home, *arguments)

    assert result.exit_code == 0, result.output
    assert Path(result.stdout.strip()).read_text() == content


def test_a_version_without_a_card_is_said_with_those_that_have_one(home: Home) -> None:
    result = card(home, "flights", "3")

    assert result.exit_code == 1
    assert "model versions of flights with a card are [1, 2], received 3" in result.output
