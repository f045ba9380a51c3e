"""The top of the card: the verdict, why, and the numbers that matter most."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from tidemill_runtime.figures import count, figure
from tidemill_runtime.html import Child, node, shown
from tidemill_trainer.card.content import Check, ModelCard
from tidemill_trainer.card.words import between, chance, direction, metric, signed
from tidemill_trainer.evaluation.comparison import Comparison
from tidemill_trainer.judging.findings import Findings
from tidemill_trainer.judging.verdict import MIB

MESSAGE_CHARACTERS = 600
STATES = {"held": "fine", "broken": "block", "skipped": ""}


def header(card: ModelCard) -> Iterator[Element]:
    """Name the model and tell the verdict."""
    trained = f"{card.lineage.trained_at:%Y-%m-%d %H:%M} UTC"
    facts = f"{card.task} · {card.family} · dataset {card.data.dataset} · {trained} · "
    yield node(
        "header",
        node("h1", node("b", card.pipeline), f" model {card.version}"),
        node("p", facts, node("code", card.model_id), class_="facts"),
    )
    yield node("p", *_verdict(card), class_=f"verdict {'fine' if card.blessed else 'block'}")


def tiles(card: ModelCard) -> Iterator[Element]:
    """Show the deciding metric, how it compares, and what it costs to serve."""
    if card.findings is None:
        return
    held_out = card.findings.held_out
    found = [*_deciding(card.findings)]
    rivals = {
        "champion": f"against champion {card.champion}",
        "linear": "against linear",
        "constant": "against a constant",
    }
    for name, title in rivals.items():
        if name in held_out.comparisons:
            found.append(_gain(title, held_out.comparisons[name]))
    if card.served is not None:
        timed = f"median {card.served.p50_ms:.2g} ms, in a model server"
        found.append(_tile("95 % of answers within", f"{card.served.p95_ms:.2g} ms", timed))
    found.append(_tile("size", f"{card.size_bytes / MIB:.1f} MiB", "SavedModel"))
    yield node("div", *found, class_="tiles")


def why(card: ModelCard) -> Iterator[Element]:
    """Show the numbers and the rules; what was broken comes before all else."""
    parts = (tiles, checks) if card.blessed else (checks, tiles)
    for part in parts:
        yield from part(card)


def checks(card: ModelCard) -> Iterator[Element]:
    """List every rule of the verdict with what came of it."""
    yield node("h2", "Rules")
    yield node("table", *map(_check, card.checks), class_="checks")


def limits(card: ModelCard) -> Iterator[Element]:
    """List what a reader has to know before trusting the numbers."""
    yield node("h2", "Limits and known weaknesses")
    yield node("ul", *(node("li", shown(text, MESSAGE_CHARACTERS)) for text in card.limits))


def _verdict(card: ModelCard) -> Iterator[Child]:
    yield node("b", "Blessed" if card.blessed else "Rejected")
    by_state = {state: [check.name for check in card.checks if check.state == state] for state in STATES}
    if not card.blessed:
        yield f": {count(len(by_state['broken']))} of {count(len(card.checks))} rules broken"
        return
    yield f": {count(len(by_state['held']))} rules held, none was broken"
    if by_state["skipped"]:
        yield f", {count(len(by_state['skipped']))} did not apply"


def _deciding(findings: Findings) -> Iterator[Element]:
    found = findings.held_out.metrics.get(findings.decides)
    if found is not None:
        title = f"{metric(findings.decides)} {direction(findings.decides)}"
        rows = f"on {count(findings.held_out.rows)} held-out rows"
        yield _tile(title, figure(found.value), f"{between(found)}, {rows}")


def _gain(title: str, comparison: Comparison) -> Element:
    gain = comparison.gain
    sure = "better" if gain.low > 0 else "worse" if gain.high < 0 else "same"
    detail = f"{signed(gain.low)} to {signed(gain.high)}, {chance(comparison.p_value)}"
    return _tile(title, signed(gain.value), detail, sure)


def _tile(title: str, number: str, detail: str, class_: str = "") -> Element:
    return node("div", node("p", title), node("p", number, class_=f"number {class_}"), node("p", detail))


def _check(check: Check) -> Element:
    return node(
        "tr",
        node("td", node("i", class_=f"dot {STATES[check.state]}"), check.state, class_="word"),
        node("td", check.name, class_="word"),
        node("td", *(node("p", shown(detail, MESSAGE_CHARACTERS)) for detail in check.details)),
        class_=check.state,
    )
