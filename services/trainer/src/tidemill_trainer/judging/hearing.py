"""All finalists go in, and the case of the one that was chosen comes out: what a verdict rests on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.training_spec import BASELINE
from tidemill_runtime.logs import get_logger
from tidemill_trainer.champions import Champion
from tidemill_trainer.examination import Contestant
from tidemill_trainer.judging.fresh_server import FreshServer
from tidemill_trainer.judging.held_out import HeldOut
from tidemill_trainer.judging.measuring import CHAMPION, Subject, find_out
from tidemill_trainer.judging.model_server import ServerAway, Unservable
from tidemill_trainer.judging.verdict import Case, choose
from tidemill_trainer.trainings import Data


@dataclass(frozen=True)
class Hearing:
    """The chosen contestant and its case; `not_served` says why no model server was asked, "" if one was."""

    chosen: Contestant
    case: Case
    not_served: str


@dataclass(frozen=True, kw_only=True)
class Court:
    """What contestants are judged by.

    Args:
        data: What they have learned from.
        model_id: The address of the model that one of them becomes.
        held_out: The rows that they are measured on.
        spec: What is expected of them.
        champion: The model in office, if any.
        server: A model server that knows none of them.
        unexamined: Families whose finalists there was no time to examine.
    """

    data: Data
    model_id: str
    held_out: HeldOut
    spec: PipelineSpec
    champion: Champion | None
    server: FreshServer
    unexamined: tuple[str, ...] = ()


def hear(contestants: Mapping[str, Contestant], court: Court) -> Hearing:
    """Choose a contestant, measure it, and have a model server try it out.

    One with defects is chosen only when all have some, and is then not looked at any further.
    """
    chosen = contestants[
        choose(
            [contestant.result for contestant in contestants.values()],
            court.held_out.objective.metric,
            min_gain_over_baseline=court.spec.blessing.min_gain_over_baseline,
        ).family
    ]
    case = Case(
        data=court.data,
        findings=None,
        incumbent=court.champion.incumbent if court.champion else None,
        size_bytes=sum(file.stat().st_size for file in chosen.folder.rglob("*") if file.is_file()),
    )
    if chosen.result.defects or chosen.answers is None:
        return Hearing(chosen, replace(case, defects=chosen.result.defects), "it has defects")
    case = replace(case, ranges=_ranges(chosen))
    subject = Subject(chosen.answers, chosen.trained.predict)
    findings = find_out(subject, _others(contestants, chosen, court.champion), court.held_out, court.spec)
    findings = findings.model_copy(update={"skipped": (*findings.skipped, *_skipped(court))})
    return _try_out(chosen, replace(case, findings=findings), court)


def _skipped(court: Court) -> Iterator[str]:
    if court.champion and court.champion.answers is None:
        yield f"the comparison with the champion: {court.champion.why_not}"
    if court.unexamined:
        yield f"{', '.join(court.unexamined)} on held-out rows: there was no time"


def _others(
    contestants: Mapping[str, Contestant], chosen: Contestant, champion: Champion | None
) -> dict[str, NDArray[Any]]:
    """Return what the chosen one is held against on the same rows."""
    others: dict[str, NDArray[Any]] = {}
    linear = contestants.get(BASELINE)
    if linear is not None and linear is not chosen and linear.answers is not None:
        others[BASELINE] = linear.answers
    if champion is not None and champion.answers is not None:
        others[CHAMPION] = champion.answers
    return others


def _ranges(chosen: Contestant) -> str:
    ranges = {"weights": chosen.weights_range, "answers": chosen.answers_range}
    return ", ".join(
        f"{name} {found.least:.4g} to {found.greatest:.4g}" for name, found in ranges.items() if found
    )


def _try_out(chosen: Contestant, case: Case, court: Court) -> Hearing:
    try:
        served = court.server.check(chosen.folder, court.model_id, chosen.golden)
    except Unservable as error:
        return Hearing(chosen, replace(case, defects=(error.reason,)), "")
    except ServerAway as error:
        get_logger().warning("model-not-tried-out", model_id=court.model_id, error=str(error))
        return Hearing(chosen, case, str(error))
    return Hearing(chosen, replace(case, served=served), "")
