"""Subscription filters: Cloud Pub/Sub's filter language compiled to a predicate over attributes.

    attributes:key   attributes.key = "v"   attributes."ce-type" != "v"   hasPrefix(attributes.key, "v")

joined with NOT (or `-`), AND, OR and parentheses. As in Cloud Pub/Sub, operators are upper case, and
AND and OR mix only with parentheses.
"""

from collections.abc import Callable, Mapping
from typing import Any

import pyparsing as pp

from tidemill_local.broker.errors import InvalidArgumentError

Attributes = Mapping[str, str]
Predicate = Callable[[Attributes], bool]

MAX_FILTER_BYTES = 256


def compile_filter(text: str) -> Predicate:
    """Compile `text` to a predicate over a message's attributes.

    Raises:
        InvalidArgumentError: the text is over 256 bytes or outside the grammar, saying where.
    """
    if len(text.encode()) > MAX_FILTER_BYTES:
        raise InvalidArgumentError(
            f"Invalid filter: expected at most {MAX_FILTER_BYTES} bytes, received {len(text.encode())}"
        )
    try:
        predicate: Predicate = _grammar().parse_string(text, parse_all=True)[0]
    except pp.ParseException as error:
        raise InvalidArgumentError(f"Invalid filter: {error.msg} at column {error.column} of {text!r}") from error
    return predicate


def _grammar() -> pp.ParserElement:
    literal = pp.QuotedString('"', esc_char="\\", unquote_results=True)
    key = pp.Word(pp.alphanums + "_-") | literal
    attribute = pp.Suppress("attributes") + pp.Suppress(".") + key
    has = pp.Suppress("attributes") + pp.Suppress(":") + key
    equals = attribute + pp.Suppress("=") + literal
    differs = attribute + pp.Suppress("!=") + literal
    prefix = pp.Suppress("hasPrefix") + "(" + attribute + "," + literal + ")"
    expression = pp.Forward()
    term = pp.Forward()
    negation = (pp.Suppress(pp.Keyword("NOT")) | pp.Suppress("-")) + term
    comparison = (
        has.set_parse_action(_has)
        | equals.set_parse_action(_equals)
        | differs.set_parse_action(_differs)
        | prefix.set_parse_action(_prefix)
    )
    group = pp.Suppress("(") + expression + pp.Suppress(")")
    term <<= negation.set_parse_action(_negation) | comparison | group
    conjunction = term + pp.OneOrMore(pp.Suppress(pp.Keyword("AND")) + term)
    disjunction = term + pp.OneOrMore(pp.Suppress(pp.Keyword("OR")) + term)
    expression <<= conjunction.set_parse_action(_all) | disjunction.set_parse_action(_any) | term
    return expression
