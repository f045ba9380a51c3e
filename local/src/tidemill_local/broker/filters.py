"""Subscription filters: Cloud Pub/Sub's filter language compiled to a predicate over attributes.

    attributes:key   attributes.key = "v"   attributes."ce-type" != "v"   hasPrefix(attributes.key, "v")

joined with NOT (or `-`), AND, OR and parentheses. As in Cloud Pub/Sub, operators are upper case, and
AND and OR mix only with parentheses.
"""

import re
from ast import literal_eval
from collections.abc import Callable, Mapping

from tidemill_local.broker.errors import InvalidArgumentError

Attributes = Mapping[str, str]
Predicate = Callable[[Attributes], bool]

MAX_FILTER_BYTES = 256

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\\n]|\\.)*")|([A-Za-z0-9_][A-Za-z0-9_-]*)|(!=|[-=:.,()]))')


def compile_filter(text: str) -> Predicate:
    """Compile `text` to a predicate over a message's attributes.

    Raises:
        InvalidArgumentError: the text is over 256 bytes or outside the grammar, saying where.
    """
    if len(text.encode()) > MAX_FILTER_BYTES:
        raise InvalidArgumentError(
            f"Invalid filter: expected at most {MAX_FILTER_BYTES} bytes, received {len(text.encode())}"
        )
    parser = _Parser(text)
    predicate = parser.expression()
    parser.expect("")
    return predicate


class _Parser:
    """Recursive descent over the tokens; each method consumes what it is named after."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._end = 0
        self._advance()

    def expression(self) -> Predicate:
        terms = [self._term()]
        operator = self._word if self._word in ("AND", "OR") else ""
        while operator and self._word == operator:
            self._advance()
            terms.append(self._term())
        if len(terms) == 1:
            return terms[0]
        if operator == "AND":
            return lambda attributes: all(term(attributes) for term in terms)
        return lambda attributes: any(term(attributes) for term in terms)

    def expect(self, token: str) -> None:
        if self._word != token:
            raise self._error(f"'{token}'" if token else "the end, AND or OR (mixed only with parentheses)")
        self._advance()

    def _term(self) -> Predicate:
        if self._word in ("NOT", "-"):
            self._advance()
            negated = self._term()
            return lambda attributes: not negated(attributes)
        if self._word == "(":
            self._advance()
            inner = self.expression()
            self.expect(")")
            return inner
        return self._prefix() if self._word == "hasPrefix" else self._comparison()

    def _prefix(self) -> Predicate:
        self._advance()
        self.expect("(")
        self.expect("attributes")
        self.expect(".")
        key = self._key()
        self.expect(",")
        prefix = self._string()
        self.expect(")")
        return lambda attributes: key in attributes and attributes[key].startswith(prefix)

    def _comparison(self) -> Predicate:
        self.expect("attributes")
        if self._word == ":":
            self._advance()
            present = self._key()
            return lambda attributes: present in attributes
        self.expect(".")
        key = self._key()
        operator = self._word
        if operator not in ("=", "!="):
            raise self._error("'=' or '!='")
        self._advance()
        value = self._string()
        if operator == "=":
            return lambda attributes: key in attributes and attributes[key] == value
        return lambda attributes: key not in attributes or attributes[key] != value

    def _key(self) -> str:
        if self._word.startswith('"'):
            return self._string()
        if not re.match(r"\w", self._word):
            raise self._error("an attribute key")
        key = self._word
        self._advance()
        return key

    def _string(self) -> str:
        if not self._word.startswith('"'):
            raise self._error("a string in double quotes")
        try:
            value = str(literal_eval(self._word))
        except (SyntaxError, ValueError) as error:
            raise self._error("a valid escape sequence") from error
        self._advance()
        return value

    def _advance(self) -> None:
        """Move to the next token; the end of the text is the empty token."""
        self._start = self._end
        match = _TOKEN.match(self._text, self._end)
        if match:
            self._word, self._end = match[match.lastindex or 0], match.end()
        elif self._text[self._end :].strip():
            self._word = self._text[self._end :].strip()[0]
            raise self._error("an operator, a key or a string")
        else:
            self._word = ""

    def _error(self, expected: str) -> InvalidArgumentError:
        received = f"'{self._word}'" if self._word else "the end"
        place = f"column {self._start + 1} of {self._text}"
        return InvalidArgumentError(f"Invalid filter: expected {expected}, received {received} at {place}")
