"""How a pipeline stands, by the facts that are known of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tidemill_controller.facts import Fact, Facts, Kind

STAGES: dict[Kind, str] = {
    "DropQuarantined": "Rejected",
    "DatasetIngested": "Ingested",
    "DatasetTransformed": "Transformed",
    "DatasetRejected": "Rejected",
    "TrialFinished": "Training",
    "ModelBlessed": "Blessed",
    "ModelRejected": "Rejected",
}
# What is about the same thing: the last of each says whether that is well.
DROPS: tuple[Kind, ...] = ("DatasetIngested", "DropDeduplicated", "DropQuarantined")
DATASETS: tuple[Kind, ...] = ("DatasetTransformed", "DatasetRejected")
MODELS: tuple[Kind, ...] = ("ModelBlessed", "ModelRejected")
RELEASES: tuple[Kind, ...] = ("ModelDeployed", "ModelWithdrawn")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What `kubectl get pipelines` shows. None, or empty, where there is nothing of the kind yet."""

    stage: str = "Waiting"
    last_data: datetime | None = None
    spans: int = 0
    dataset: int | None = None
    champion: int | None = None
    candidate: int | None = None
    metric: str = ""
    has_data: bool = False
    bad_data: Fact | None = None
    problem: Fact | None = None


@dataclass
class _Serving:
    champion: int | None = None
    candidate: int | None = None

    def follow(self, fact: Fact) -> None:
        if fact.kind == "ModelWithdrawn":
            self.candidate = None if self.candidate == fact.number else self.candidate
            self.champion = None if self.champion == fact.number else self.champion
        elif fact.is_stable:
            self.champion = fact.number
            self.candidate = None if self._is_over(fact.number) else self.candidate
        else:
            self.candidate = fact.number

    def _is_over(self, stable: int | None) -> bool:
        """Whether the candidate's release ended; a way back to an older version ends none."""
        return (self.candidate or 0) <= (stable or 0)

    def stage(self) -> str:
        if self.candidate is not None:
            return "Released"
        return "Serving" if self.champion is not None else "Rejected"


def summarise(facts: Facts) -> Summary:
    """Put facts, which are in the order of time, into a few words."""
    stage, serving = "Waiting", _Serving()
    for fact in facts:
        if fact.kind in RELEASES:
            serving.follow(fact)
            stage = serving.stage()
        else:
            stage = STAGES.get(fact.kind, stage)
    data = [_last(facts, DROPS), _last(facts, DATASETS)]
    lasts = [*data, _last(facts, MODELS), _last(facts, RELEASES)]
    ingested = [fact for fact in facts if fact.kind == "DatasetIngested"]
    return Summary(
        stage=stage,
        last_data=ingested[-1].time if ingested else None,
        spans=max((fact.number or 0 for fact in ingested), default=0),
        dataset=max((fact.number or 0 for fact in facts if fact.kind == "DatasetTransformed"), default=None),
        champion=serving.champion,
        candidate=serving.candidate,
        metric=_metric(facts, serving.champion),
        has_data=any(data),
        bad_data=_newest_refusal(data),
        problem=_newest_refusal(lasts),
    )


def _last(facts: Facts, kinds: tuple[Kind, ...]) -> Fact | None:
    return next((fact for fact in reversed(facts) if fact.kind in kinds), None)


def _newest_refusal(lasts: Iterable[Fact | None]) -> Fact | None:
    refused = (fact for fact in lasts if fact is not None and fact.is_refusal)
    return max(refused, key=lambda fact: (fact.time, fact.id), default=None)


def _metric(facts: Facts, champion: int | None) -> str:
    of_it = (fact.text for fact in facts if fact.kind == "ModelBlessed" and fact.number == champion)
    return "" if champion is None else next(of_it, "")
