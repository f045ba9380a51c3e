"""Rules of telling what a job notes: at once while it notes much, and little later where that is rare."""

from pathlib import Path

from trainer_world import a_training

from tidemill_contracts.event import EventData
from tidemill_runtime.folder import FolderStore
from tidemill_trainer.announcing import MAX_LATENESS_SECONDS, Announcer
from tidemill_trainer.trainings import Candidate, Trainings


class CountingStore(FolderStore):
    """A bucket that counts how often it is listed."""

    listings = 0

    def list(self, prefix: str) -> list[str]:
        self.listings += 1
        return super().list(prefix)


class Followed:
    """A training that is followed at a time of ours."""

    def __init__(self, folder: Path) -> None:
        self.now, self.told = 0.0, list[EventData]()
        self.store = CountingStore(folder)
        self._trainings = Trainings(self.store)
        self._announcer = Announcer(
            self._trainings, lambda data, _cause: self.told.append(data), lambda: self.now
        )

    def note(self, family: str) -> None:
        facts = {"metrics": {}, "params": {}, "curves": {}, "defects": (), "seconds": 1}
        self._trainings.add_candidate(a_training(), Candidate.model_validate({"family": family, **facts}))

    def seconds_until_told(self) -> float:
        """Look twice a second, until something is told."""
        begin, told = self.now, len(self.told)
        while len(self.told) == told:
            self._announcer.follow(a_training())
            self.now += 0.5
        return self.now - begin

    def wait(self, seconds: float) -> None:
        """Look twice a second, for so long."""
        for _ in range(int(2 * seconds)):
            self._announcer.follow(a_training())
            self.now += 0.5


def test_news_are_told_later_the_longer_there_were_none_but_never_much(tmp_path: Path) -> None:
    followed = Followed(tmp_path)
    late = []
    for family, quiet_seconds in (("linear", 5), ("deep", 20), ("custom", 3600)):
        followed.wait(quiet_seconds)
        followed.note(family)
        late.append(followed.seconds_until_told())

    assert late[0] <= 0.5
    assert late[1] <= 1.5
    assert late[2] <= MAX_LATENESS_SECONDS + 0.5


def test_the_longer_nothing_is_new_the_more_rarely_it_is_looked_at(tmp_path: Path) -> None:
    followed = Followed(tmp_path)

    followed.wait(3600)

    assert followed.store.listings < 3600 / MAX_LATENESS_SECONDS + 150
