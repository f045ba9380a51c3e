"""What should be deployed, as the bucket remembers it: a pipeline's versions, and the running release."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from tidemill_contracts.events import Reason
from tidemill_contracts.profile import ProfileModel
from tidemill_contracts.serving_spec import Strategy

PIPELINE_DELETED = "pipeline-deleted"


class Origin(ProfileModel):
    """What the events of a release follow from, as `tidemill_runtime.telling.Cause`."""

    correlation_id: str
    causation_id: str | None = None
    data_classification: str | None = None


class Deployed(ProfileModel):
    """A model version that was found good. `release` is 0 where it was deployed before they were counted."""

    version: int
    model_id: str
    release: int = 0
    began: datetime | None = None
    origin: Origin | None = None


class Withdrawal(Reason):
    """Why a version must not serve; `answers` and `failures` are of the requests it had by then."""

    answers: int = 0
    failures: int = 0

    def as_reason(self) -> Reason:
        """Return it without the counts."""
        return Reason(code=self.code, message=self.message)


class Release(ProfileModel):
    """A version that is on its way to being stable. `step_began` is also of a shadow, which has one step."""

    candidate: Deployed
    strategy: Strategy
    step: int = 0
    step_began: datetime


class Untold(ProfileModel):
    """An event that follows from a stored decision and may not have been told yet."""

    type: str
    data: dict[str, Any]
    origin: Origin


class Deployment(ProfileModel):
    """The wanted state of one pipeline's model. `previous` stays loaded for a fast way back.

    `replaced` has every version ever deployed, with the one it replaced (None for the first): an event that
    comes again, however late, is told as it was. `known` has every version that was decided on since releases
    are counted, and `releases` is their count. `deleted` is when the pipeline was last deleted.
    """

    pipeline: str
    stable: Deployed | None = None
    previous: Deployed | None = None
    replaced: dict[int, int | None] = Field(default_factory=dict)
    withdrawn: dict[int, Withdrawal] = Field(default_factory=dict)
    known: dict[int, Deployed] = Field(default_factory=dict)
    releases: int = 0
    deleted: datetime | None = None
    release: Release | None = None
    untold: tuple[Untold, ...] = ()

    @property
    def candidate(self) -> Deployed | None:
        """The version that is being released."""
        return self.release.candidate if self.release else None

    def versions(self) -> list[int]:
        """Every version that should be loaded, in order."""
        wanted = (self.stable, self.previous, self.candidate)
        return sorted({deployed.version for deployed in wanted if deployed})

    def newest(self) -> int:
        """The newest version that serves or is being released; 0 when nothing is."""
        return max((each.version for each in (self.stable, self.candidate) if each), default=0)

    def decided(self, version: int) -> bool:
        """Say whether this version was deployed or withdrawn before, or is being released.

        What went with a deleted pipeline is not decided on: when it is blessed after that, it may serve.
        """
        is_bad = version in self.withdrawn and self.withdrawn[version].code != PIPELINE_DELETED
        return version in self.replaced or is_bad or self._is_candidate(version)

    def find(self, version: int) -> Deployed | None:
        """Return what is known of a version that was decided on."""
        kept = (each for each in (self.stable, self.previous) if each and each.version == version)
        return self.known.get(version) or next(kept, None)

    def enter(
        self, version: int, model_id: str, now: datetime, origin: Origin | None
    ) -> tuple["Deployment", Deployed]:
        """Give a version the next release's number."""
        number = self.releases + 1
        entered = Deployed(version=version, model_id=model_id, release=number, began=now, origin=origin)
        known = {**self.known, version: entered}
        withdrawn = {each: why for each, why in self.withdrawn.items() if each != version}
        changes = {"known": known, "withdrawn": withdrawn, "releases": number}
        return self.model_copy(update=changes), entered

    def begin(self, candidate: Deployed, strategy: Strategy, now: datetime) -> "Deployment":
        """Release a version beside the stable one."""
        release = Release(candidate=candidate, strategy=strategy, step_began=now)
        return self.model_copy(update={"release": release})

    def go_to(self, step: int, now: datetime) -> "Deployment":
        """Begin another step of the running release."""
        assert self.release is not None  # noqa: S101 - only a running release has steps
        release = self.release.model_copy(update={"step": step, "step_began": now})
        return self.model_copy(update={"release": release})

    def promote(self, deployed: Deployed) -> "Deployment":
        """Make a version the stable one; the running release ends."""
        replaced = {**self.replaced, deployed.version: self.stable.version if self.stable else None}
        withdrawn = {version: why for version, why in self.withdrawn.items() if version != deployed.version}
        changes = {"stable": deployed, "previous": self.stable, "replaced": replaced, "withdrawn": withdrawn}
        return self.model_copy(update={**changes, "release": None})

    def withdraw(self, version: int, why: Withdrawal) -> "Deployment":
        """Remember that a version must not serve, and why; if it is the candidate, its release ends."""
        release = None if self._is_candidate(version) else self.release
        withdrawn = {**self.withdrawn, version: why}
        return self.model_copy(update={"withdrawn": withdrawn, "release": release})

    def roll_back(self, why: Withdrawal, now: datetime) -> "Deployment":
        """Take back the stable version: the one before it answers again, and a running step begins anew."""
        if self.stable is None or self.previous is None:
            raise ValueError(f"expected a version before the stable one of {self.pipeline}, there is none")
        entered, again = self.enter(self.previous.version, self.previous.model_id, now, self.stable.origin)
        back = entered.promote(again)
        withdrawn = {**back.withdrawn, self.stable.version: why}
        changed = back.model_copy(update={"previous": None, "withdrawn": withdrawn, "release": self.release})
        return changed.go_to(self.release.step, now) if self.release else changed

    def delete(self, at: datetime, why: Withdrawal) -> "Deployment":
        """Serve nothing that was deployed by a moment; what was found bad before stays so."""
        if self.stable and self.stable.began and self.stable.began > at:
            return self
        decided = (*self.replaced, *self.known, *self.versions())
        changes = {"withdrawn": {**dict.fromkeys(decided, why), **self.withdrawn}, "replaced": {}}
        nothing = dict.fromkeys(("stable", "previous", "release"))
        return self.model_copy(update={**nothing, **changes, "deleted": max(at, self.deleted or at)})

    def saying(self, events: Sequence[Untold]) -> "Deployment":
        """Remember events that are to be told of this state."""
        return self.model_copy(update={"untold": (*self.untold, *events)})

    def having_told(self, event: Untold) -> "Deployment":
        """Forget an event that was told."""
        return self.model_copy(update={"untold": tuple(each for each in self.untold if each != event)})

    def _is_candidate(self, version: int) -> bool:
        return self.candidate is not None and self.candidate.version == version


def deletion_of(pipeline: str) -> Withdrawal:
    """Say why a version goes whose pipeline is specified no longer."""
    return Withdrawal(code=PIPELINE_DELETED, message=f"the pipeline {pipeline} was deleted")
