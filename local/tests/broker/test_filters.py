"""The filter language: what matches, and what is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill_local.broker.errors import InvalidArgumentError
from tidemill_local.broker.filters import compile_filter

EVENT = {
    "ce-type": "dev.tidemill.model.blessed.v1",
    "ce-source": "trainer/flights",
    "empty": "",
    "q": 'a"b\n',
}


@pytest.mark.parametrize(
    "text",
    [
        "attributes:empty",
        'attributes:"ce-type"',
        "attributes:ce-type",
        'attributes.ce-type = "dev.tidemill.model.blessed.v1"',
        'attributes."ce-type"="dev.tidemill.model.blessed.v1"',
        'attributes.ce-type != "other"',
        'attributes.absent != "anything"',
        'hasPrefix(attributes.ce-source, "trainer/")',
        "NOT attributes:absent",
        "-attributes:absent",
        "NOT NOT attributes:empty",
        "NOT attributes:absent AND attributes:empty",
        "attributes:absent OR attributes:ce-type OR attributes:other",
        "(attributes:absent AND attributes:empty) OR attributes:ce-type",
        "NOT (attributes:absent OR attributes:other)",
        'attributes.q = "a\\"b\\n"',
        'attributes.ce-source = "\\x74rainer\\u002fflights"',
        ' attributes . empty = ""\n AND\tattributes:ce-type ',
    ],
)
def test_these_filters_match_the_event(text: str) -> None:
    assert compile_filter(text)(EVENT)


@pytest.mark.parametrize(
    "text",
    [
        "attributes:absent",
        'attributes.ce-type = "DEV.tidemill.model.blessed.v1"',
        'attributes.absent = ""',
        'attributes.empty != ""',
        'hasPrefix(attributes.absent, "")',
        'hasPrefix(attributes.ce-source, "rainer")',
        "attributes:empty AND attributes:absent",
        "NOT attributes:absent AND attributes:other",
        "attributes:absent OR NOT attributes:empty",
    ],
)
def test_these_filters_do_not_match_the_event(text: str) -> None:
    assert not compile_filter(text)(EVENT)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("junk", "expected 'attributes', received 'junk' at column 1"),
        ("attributes", "received the end"),
        ("attributes:", "an attribute key"),
        ("attributes:a AND", "received the end"),
        ("attributes:a attributes:b", "the end, AND or OR"),
        ("attributes:a AND attributes:b OR attributes:c", "mixed only with parentheses"),
        ("attributes:a and attributes:b", "received 'and'"),
        ("(attributes:a", "expected ')'"),
        ("attributes:a)", "received ')'"),
        ("attributes.a = b", "a string in double quotes"),
        ("attributes.a = 'b'", "received '''"),
        ('attributes.a = "b', "received '\"'"),
        ('attributes.a < "b"', "received '<'"),
        ('attributes.a.b = "c"', "'=' or '!='"),
        ('attributes.a = "\\u00"', "a valid escape sequence"),
        ('hasprefix(attributes.a, "b")', "received 'hasprefix'"),
        ('hasPrefix("b", attributes.a)', "expected 'attributes'"),
        ('attributes.a = "' + "é" * 121 + '"', "at most 256 bytes, received 259"),
    ],
)
def test_an_invalid_filter_is_refused_with_the_place(text: str, complaint: str) -> None:
    with pytest.raises(InvalidArgumentError) as refusal:
        compile_filter(text)

    assert complaint in str(refusal.value)


@given(st.text(alphabet='atribuesNOTADR:.=!"\\-() xh,', max_size=256))
def test_any_text_is_compiled_or_refused(text: str) -> None:
    with suppress(InvalidArgumentError):
        assert compile_filter(text)({}) in (True, False)


@pytest.mark.parametrize(
    "nested", ["(" * 128, "-" * 256, "NOT " * 64, "(" * 120 + "attributes:a" + ")" * 120]
)
def test_deep_nesting_is_no_danger(nested: str) -> None:
    with suppress(InvalidArgumentError):
        assert compile_filter(nested)({"a": ""}) is True
