"""How the model was found: trials, finalists, curves."""

from collections.abc import Iterator, Sequence
from itertools import accumulate
from xml.etree.ElementTree import Element

from tidemill_runtime.figures import NONE, count, figure
from tidemill_runtime.html import node, shown
from tidemill_trainer.card.charts import Axis, Plot
from tidemill_trainer.card.content import CandidateFacts, ModelCard, SearchFacts
from tidemill_trainer.card.words import direction, metric
from tidemill_trainer.evaluation.metrics import HIGHER_IS_BETTER
from tidemill_trainer.trainings import Trial

MAX_TRIALS = 25
MAX_CURVES = 8
PARAMS_CHARACTERS = 160


def search(card: ModelCard) -> Iterator[Element]:
    """Show the finalists, every trial, and how the best ones learned."""
    found = card.search
    yield node("h2", "Search")
    yield node("p", _told(found), class_="note")
    yield _finalists(found.candidates, card)
    pictures = [*_progress(found.trials, card.decides), *_curves(found.trials, card.decides)]
    if pictures:
        yield node("div", *pictures, class_="cards small-cards")
    if found.trials:
        yield _trials(found.trials, card.decides)


def _told(found: SearchFacts) -> str:
    states = [trial.state for trial in found.trials]
    counts = ", ".join(
        f"{count(states.count(state))} {state}"
        for state in ("finished", "pruned", "failed")
        if state in states
    )
    return f"Budget {found.budget}, {found.seconds:,.1f} s used; trials: {counts or 'none is known'}."


def _finalists(candidates: Sequence[CandidateFacts], card: ModelCard) -> Element:
    titles = (
        "finalist",
        f"{metric(card.decides)} {direction(card.decides)} by which it was chosen",
        "held out",
        "seconds",
        "parameters",
    )
    head = node("tr", *(node("th", title) for title in titles), class_="titles")
    lines = [
        node(
            "tr",
            node("th", each.family),
            node("td", NONE if each.score is None else figure(each.score), class_="own"),
            node("td", figure(each.metrics[card.decides]) if card.decides in each.metrics else NONE),
            node("td", f"{each.seconds:.1f}"),
            node("td", _remark(each), class_="params"),
            class_="deciding" if each.family == card.family else "",
        )
        for each in candidates
    ]
    return node("div", node("table", head, *lines, class_="finalists"), class_="wide")


def _remark(candidate: CandidateFacts) -> str:
    if candidate.defects:
        return shown("; ".join(reason.message for reason in candidate.defects), PARAMS_CHARACTERS)
    return _params(candidate.params)


def _params(params: dict[str, bool | int | float | str]) -> str:
    told = ", ".join(
        f"{name} {figure(value) if isinstance(value, float) else value}" for name, value in params.items()
    )
    return shown(told, PARAMS_CHARACTERS)


def _progress(trials: Sequence[Trial], decides: str) -> Iterator[Element]:
    scored = [(trial.number, trial.score, trial.family) for trial in trials if trial.score is not None]
    if len(scored) < 3:
        return
    best = max if HIGHER_IS_BETTER.get(decides, True) else min
    plot = Plot(
        Axis.around((number for number, _, _ in scored), "trial", is_whole=True),
        Axis.around(score for _, score, _ in scored),
        360,
        200,
    )
    so_far = accumulate((score for _, score, _ in scored), best)
    families = list(dict.fromkeys(family for _, _, family in scored))
    marks = [plot.line([(number, top) for (number, _, _), top in zip(scored, so_far, strict=True)], "rule")]
    marks += [
        plot.dot(number, score, f"dot series-{families.index(family) % 5}", title=f"{family} {figure(score)}")
        for number, score, family in scored
    ]
    key = [
        node("span", node("i", class_=f"key series-{place % 5}"), family)
        for place, family in enumerate(families)
    ]
    yield node(
        "article",
        node("h3", f"{metric(decides)} by trial"),
        node("p", "On training rows kept aside; the line is the best so far.", class_="facts"),
        node("p", *key, class_="keys"),
        plot.draw(*marks, title="Scores of trials"),
    )


def _curves(trials: Sequence[Trial], decides: str) -> Iterator[Element]:
    """Draw the curves of the best trial of each family that has any."""
    sign = 1 if HIGHER_IS_BETTER.get(decides, True) else -1
    scored = [trial for trial in trials if trial.score is not None and trial.curves]
    by_family: dict[str, Trial] = {}
    for trial in sorted(scored, key=lambda trial: -sign * (trial.score or 0)):
        by_family.setdefault(trial.family, trial)
    for family, trial in [*by_family.items()][:MAX_CURVES]:
        series = {name: values for name, values in trial.curves.items() if len(values) > 1}
        if series:
            yield _learning(family, series)


def _learning(family: str, series: dict[str, tuple[float, ...]]) -> Element:
    steps = max(map(len, series.values()))
    plot = Plot(
        Axis(1, steps, "step", is_whole=True),
        Axis.around(value for values in series.values() for value in values),
        300,
        180,
    )
    marks = [
        plot.line([*enumerate(values, start=1)], f"line series-{place % 5}")
        for place, values in enumerate(series.values())
    ]
    key = [
        node("span", node("i", class_=f"key series-{place % 5}"), shown(name, 24))
        for place, name in enumerate(series)
    ]
    return node(
        "article",
        node("h3", f"{family}: how it learned"),
        node("p", *key, class_="keys"),
        plot.draw(*marks, title=f"Curves of {family}"),
    )


def _trials(trials: Sequence[Trial], decides: str) -> Element:
    sign = 1 if HIGHER_IS_BETTER.get(decides, True) else -1
    by_score = sorted(
        trials, key=lambda trial: (trial.score is None, -sign * (trial.score or 0), trial.number)
    )
    titles = ("trial", "family", "from", metric(decides), "seconds", "state", "parameters")
    head = node("tr", *(node("th", title) for title in titles), class_="titles")
    lines = [
        node(
            "tr",
            node("th", str(trial.number)),
            node("td", trial.family, class_="word"),
            node("td", trial.origin, class_="word quiet"),
            node("td", NONE if trial.score is None else figure(trial.score), class_="own"),
            node("td", f"{trial.seconds:.1f}"),
            node("td", trial.state, class_="word quiet"),
            node("td", shown(trial.message, PARAMS_CHARACTERS) or _params(trial.params), class_="params"),
        )
        for trial in by_score[:MAX_TRIALS]
    ]
    if len(trials) > MAX_TRIALS:
        lines.append(node("tr", node("th", f"and {count(len(trials) - MAX_TRIALS)} more")))
    table = node("div", node("table", head, *lines, class_="trials"), class_="wide")
    return node("details", node("summary", f"All {count(len(trials))} trials"), table)
