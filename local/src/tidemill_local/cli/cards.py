"""`tidemill card`: where the page lies that tells all of one model."""

from pathlib import Path

from tidemill_contracts import layout
from tidemill_local.cli.errors import CommandFailed
from tidemill_local.cli.stored import StoredData
from tidemill_runtime.sequence import Sequence


def find_card(data: StoredData, version: int | None, file: str) -> Path:
    """Return the card of a model version, blessed or not, None for the newest that has one.

    Raises CommandFailed when there is none.
    """
    keys = Sequence(data.store, layout.MODEL_SEQUENCE, data.pipeline).keys()
    paths = {
        number: Path(data.store.uri(layout.model_card(data.pipeline, model_id, file)))
        for number, model_id in keys.items()
    }
    cards = {number: path for number, path in paths.items() if path.is_file()}
    wanted = max(cards, default=None) if version is None else version
    if wanted is None or wanted not in cards:
        asked = "the newest" if version is None else version
        there = f"model versions of {data.pipeline} with a card are {sorted(cards) or 'none yet'}"
        raise CommandFailed(f"expected a model version: {there}, received {asked}")
    return cards[wanted]
