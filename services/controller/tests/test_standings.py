"""Rules of what is remembered of the lives of one name."""

from pathlib import Path

from controller_world import NOON
from test_facts import folded, ingested, told

from tidemill_controller.standings import Standing, Standings
from tidemill_runtime.folder import FolderStore

FACTS = folded(told(ingested(1)))


def know(standings: Standings, identity: str = "") -> Standing:
    """Know a pipeline to which something happened."""
    standings.know("m", identity)
    standings.change("m", lambda each: each.model_copy(update={"facts": FACTS}))
    return standings.know("m", identity)


def test_another_life_of_a_name_begins_with_nothing_also_over_a_restart(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    assert know(Standings(store), "first").facts == FACTS
    second = Standings(store).know("m", "second", NOON)

    assert second == Standing(identity="second", began=NOON)
    assert Standings(store).know("m", "second") == second


def test_what_was_known_before_its_identity_stays(tmp_path: Path) -> None:
    standings = Standings(FolderStore(tmp_path))
    made_up = know(standings)
    given = standings.know("m", "given")

    assert made_up.identity
    assert (given.identity, given.facts) == ("given", FACTS)
    assert standings.know("m", "another").facts == ()
