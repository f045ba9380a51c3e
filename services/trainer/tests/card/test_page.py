"""Rules of the page: it needs nothing but itself, tells the verdict first, and escapes what it shows."""

import re
from html.parser import HTMLParser

import pytest
from card_world import BROKEN, HOSTILE, a_card

from tidemill_contracts.profile import Task
from tidemill_trainer.card.content import ModelCard
from tidemill_trainer.card.page import render
from tidemill_trainer.judging.verdict import Case
from tidemill_trainer.trainings import Data

DEFECTIVE = Case(data=Data(2, 2), findings=None, defects=(BROKEN,))
VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a reader makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.titles: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.open += [tag] * (tag not in VOID)
        self.attributes.update(name for name, _ in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.open[-1] if self.open else ""
        if inside in ("h2", "h3"):
            self.titles.append(data)
        self.text += "" if inside == "style" else f"{data} "


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return a_card()


@pytest.fixture(scope="module")
def page(card: ModelCard) -> Page:
    return Page(render(card))


def test_the_page_needs_nothing_but_itself(card: ModelCard) -> None:
    html = render(card)

    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", html.split("</style>")[0])
    assert not {"script", "link", "img", "iframe"} & set(Page(html).tags)
    assert "http" not in html


def test_hostile_names_are_text(page: Page) -> None:
    assert "<script>alert(1)</script>" in page.text
    assert HOSTILE.split("\N{RIGHT-TO-LEFT OVERRIDE}")[0] in page.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.text
    assert not {"onerror", "onclick", "src", "href"} & page.attributes


def test_restricted_columns_are_counted_and_not_named(card: ModelCard, page: Page) -> None:
    assert "passport" not in page.text
    assert "passport" not in card.model_dump_json()
    assert "1 restricted columns" in page.text


def test_every_part_is_there(page: Page) -> None:
    assert [title for title in page.titles if title[0].isupper()][:6] == [
        "Rules",
        "Limits and known weaknesses",
        "Metrics",
        "Answers and truth",
        "Calibration",
        "Threshold",
    ]
    assert {"Slices", "Groups", "Features", "Search", "Data", "Lineage"} <= set(page.titles)


def test_metrics_stand_beside_those_of_the_champion_the_linear_model_and_a_constant(
    card: ModelCard, page: Page
) -> None:
    assert card.findings is not None
    text = page.text[page.text.index("held-out rows") :]

    assert re.search(r"this model.*champion 3.*linear.*constant", text)
    for other in card.findings.held_out.others.values():
        assert f"{other['log_loss']:.4f}" in text


def test_a_rejected_model_tells_what_was_broken_before_all_else() -> None:
    page = Page(render(a_card(sharpness=-1.0)))

    first = page.text[: page.text.index("Limits and known weaknesses")]
    assert "Rejected : 4 of 12 rules broken" in first
    assert first.index("expected roc_auc >= 0.6") < first.index("SavedModel")


def test_a_model_with_a_defect_has_a_page_too() -> None:
    page = Page(render(a_card(case=DEFECTIVE, reasons=(BROKEN,), not_served="it has defects")))

    assert "not-servable" in page.text
    assert "The model has defects: it was not measured." in page.text
    assert "Metrics" not in page.titles


@pytest.mark.parametrize(
    ("task", "quantiles", "title"),
    [
        ("multiclass", False, "Confusion"),
        ("regression", False, "Answered and true"),
        ("regression", True, "Answered and true"),
    ],
)
def test_every_task_has_a_page(task: Task, title: str, *, quantiles: bool) -> None:
    card = a_card(task, quantiles=quantiles)

    assert title in Page(render(card)).titles
    assert ModelCard.model_validate_json(card.model_dump_json()) == card
