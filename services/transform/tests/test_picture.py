"""Rules of the page: it needs nothing but itself, shows what changed, and hides what is restricted."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_world import a_profile, a_report, flights, numbers, profile_of, texts

from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import LABEL_COLUMN
from tidemill_contracts.pipeline import PipelineSpec
from tidemill_contracts.profile import Profile
from tidemill_transform.anomalies import blocking
from tidemill_transform.features import choose
from tidemill_transform.findings import Findings
from tidemill_transform.picture.page import Picture, render
from tidemill_transform.plan import Report
from tidemill_transform.validation import validate

HOSTILE = "<script>alert('x')</script><img src=x onerror=\"alert(1)\">&\N{RIGHT-TO-LEFT OVERRIDE}\0"


class Page(HTMLParser):
    """What a reader makes of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.titles: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(name for name, _ in attrs)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] == ["h3"] and data.strip():
            self.titles.append(data)
        self.text += f"{data} "


def findings_of(
    report: Report, earlier: Profile | None = None, hidden: Iterable[str] = (), **spec: Any
) -> Findings:
    parsed = PipelineSpec.model_validate({"label": "y", **spec})
    anomalies = validate(report, earlier, parsed, [*hidden])
    return Findings(
        report=report,
        task=report.train.label.task,
        weighted=False,
        choice=choose(report.train, parsed, (), [*hidden]),
        crosses=(),
        baseline=None if earlier is None else 7,
        earlier=earlier,
        hidden=tuple(hidden),
        anomalies=anomalies,
        reasons=blocking(anomalies),
    )


def html_of(findings: Findings | None, *reasons: Reason) -> str:
    told = (*reasons, *(findings.reasons if findings else ()))
    dataset = None if told else 8
    picture = Picture(
        pipeline="flights", dataset=dataset, dataset_id="0f1e", spans=(1, 3), reasons=told, findings=findings
    )
    return render(picture)


def page_of(profile: Profile, earlier: Profile | None = None, **spec: Any) -> Page:
    return Page(html_of(findings_of(a_report(profile), earlier, **spec)))


def test_a_page_needs_no_script_and_nothing_from_elsewhere() -> None:
    html = html_of(findings_of(a_report(flights(2)), flights(1)))

    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(page.tags)
    assert not {"src", "href", "srcset", "action"} & page.attributes
    assert "url(" not in html
    assert "@import" not in html
    assert "://" not in html


def test_names_and_values_from_outside_are_text_and_nothing_else() -> None:
    def a_page(text: str) -> Page:
        values: dict[str, list[Any]] = {f"{text}": [text, "a"] * 30, f"{text} at": [1.0] * 60}
        profile = profile_of(values, slices=((f"{text}",),), label=[text, "b"] * 30, task="multiclass")
        earlier = profile_of({name: column[:50] for name, column in values.items()})
        findings = findings_of(a_report(profile), earlier, columns={text: {"values": ["b"]}})
        return Page(html_of(findings, Reason(code="code", message=text)))

    hostile, harmless = a_page(HOSTILE), a_page("x")

    assert hostile.tags == harmless.tags
    assert hostile.attributes == harmless.attributes
    assert "<script>alert" in hostile.text
    assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in hostile.text


def test_values_of_hidden_columns_are_not_shown() -> None:
    values = {"mail": ["secret", "hidden"] * 30, "age": [31.0, 77.0] * 30}
    profile = profile_of(values, slices=(("mail",),), label=["secret", "hidden"] * 30, task="multiclass")
    earlier = profile_of({**values, "mail": ["secret"] * 60})

    page = Page(html_of(findings_of(a_report(profile), earlier, ["mail", "age", LABEL_COLUMN])))

    assert page.titles == ["mail", "age"]
    assert not re.search("secret|hidden|31|77", page.text)
    assert "class 1 50.0%" in re.sub(r"\s+", " ", page.text)


@pytest.mark.parametrize(
    ("spec", "verdict"),
    [
        ({}, "Accepted, with 1 warning "),
        ({"validation": {"drift": {"jensenShannon": None}}}, "Accepted "),
        ({"validation": {"severities": {"COMPARATOR_JENSEN_SHANNON_DIVERGENCE_HIGH": "block"}}}, "Refused "),
    ],
)
def test_the_verdict_is_told_first_and_then_what_led_to_it(spec: Any, verdict: str) -> None:
    page = page_of(a_profile(numbers([9], name="speed")), a_profile(numbers([1], name="speed")), **spec)

    assert verdict in page.text
    told = "expected speed in the newest span within 0.3 of earlier data, received a distance of 1.000"
    assert page.text.count(told) == (verdict != "Accepted ")


def test_a_window_that_could_not_be_read_has_a_page_with_the_reasons() -> None:
    page = Page(html_of(None, Reason(code="label-invalid", message="expected a SQL expression")))

    assert "flights  span 3" in page.text
    assert "Refused block expected a SQL expression label-invalid" in page.text


def test_every_row_is_accounted_for() -> None:
    report = a_report(
        a_profile(numbers([1])), rows_unlabelled=200, rows_rejected=50, rows_read=1500, rows_eval=250
    )

    page = Page(html_of(findings_of(report)))

    assert "1,500 1,000 250 200 50 100.0% 66.7% 16.7% 13.3% 3.3%" in re.sub(r"\s+", " ", page.text)


def test_columns_that_changed_most_come_first() -> None:
    new = a_profile(
        numbers([1], name="same"), texts({"a": 600, "b": 400}, name="some"), numbers([9], name="all")
    )
    old = a_profile(
        numbers([1], name="same"), texts({"a": 500, "b": 500}, name="some"), numbers([1], name="all")
    )

    assert page_of(new, old).titles == ["all", "some", "same"]
    assert page_of(new).titles == ["same", "some", "all"]


def test_what_a_model_makes_of_a_column_is_told() -> None:
    page = page_of(a_profile(numbers([1], name="a"), numbers([1], name="b")), leaveOut=["b"])

    assert "Feature: numeric" in page.text
    assert "No feature: The pipeline leaves it out." in page.text


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_labels_and_slices_are_told_for_every_task(task: Any) -> None:
    by_task: dict[str, list[Any]] = {
        "binary": [True, False],
        "multiclass": ["up", "down"],
        "regression": [1.5, 4.5],
    }
    labels = by_task[task]
    values = {"carrier": ["UA", "UA", "AA", None] * 30}
    new, old = (profile_of(values, slices=(("carrier",),), label=labels * 60, task=task) for _ in range(2))

    text = re.sub(r"\s+", " ", page_of(new, old).text)

    told = {"binary": "50.0%", "multiclass": "down 50.0%", "regression": "3"}[task]
    assert f"UA 60 50.0% {told} {told}" in text


def test_one_outlier_leaves_the_others_room() -> None:
    ages = np.append(np.random.default_rng(7).normal(40, 10, 5000), 1e12)
    page = html_of(findings_of(a_report(profile_of({"age": ages}))))

    (path,) = re.findall(r'<path class="new" d="([^"]+)"', page)
    assert len(set(re.findall(r"V([\d.]+)", path))) > 15
    assert "… 1e+12" in page


@pytest.mark.parametrize("kind", ["int", "float"])
def test_bars_of_whole_numbers_are_as_high_as_their_shares_wherever_they_stand(kind: Any) -> None:
    values = np.array([-5, *[40, 41] * 100, 56], kind)

    page = html_of(findings_of(a_report(profile_of({"n": values}))))

    (path,) = re.findall(r'<path class="new" d="([^"]+)"', page)
    heights = [64 - float(top) for top in re.findall(r"V([\d.]+)", path)]
    assert len([height for height in heights if height > 60]) in (1, 2)


def test_a_very_wide_table_of_many_texts_has_a_page_that_can_be_opened() -> None:
    vocabulary = {f"{HOSTILE}{place}": 10_000 - place for place in range(10_000)}
    columns = [texts(vocabulary, name=f"{place} {HOSTILE * 9}") for place in range(250)]
    columns += [numbers(range(1000), name=f"{place} {HOSTILE * 9}") for place in range(250)]
    profile, earlier = a_profile(*columns), a_profile(*columns[::-1])

    assert len(html_of(findings_of(a_report(profile), earlier)).encode()) < 2_000_000


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5),
        st.lists(st.none() | st.floats(allow_nan=False), min_size=60, max_size=60)
        | st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), min_size=60, max_size=60)
        | st.lists(st.none() | st.text(max_size=3), min_size=60, max_size=60)
        | st.lists(st.booleans(), min_size=60, max_size=60),
        min_size=1,
        max_size=3,
    )
)
def test_any_data_has_a_page(values: dict[str, list[Any]]) -> None:
    known = {name: column for name, column in values.items() if any(value is not None for value in column)}
    profile = profile_of(known) if known else a_profile()

    assert page_of(profile, profile).tags.count("article") == len(known)
