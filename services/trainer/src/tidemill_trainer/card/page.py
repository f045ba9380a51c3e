"""The card as one page that needs nothing but itself."""

from importlib import resources

from tidemill_runtime.html import document, node
from tidemill_trainer.card.behaviour import features
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.history import search
from tidemill_trainer.card.parts import groups, slices
from tidemill_trainer.card.record import data, lineage
from tidemill_trainer.card.scores import answers, metrics
from tidemill_trainer.card.summary import header, limits, why

SECTIONS = (
    header,
    why,
    limits,
    metrics,
    answers,
    slices,
    groups,
    features,
    search,
    data,
    lineage,
)


def render(card: ModelCard) -> str:
    """Write the page as HTML that needs no other resource, and no script."""
    style = resources.files("tidemill_trainer.card").joinpath("style.css").read_text()
    body = [element for section in SECTIONS for element in section(card)]
    return document(f"{card.pipeline} model {card.version}", style, node("main", *body))
