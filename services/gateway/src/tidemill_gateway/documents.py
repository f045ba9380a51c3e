"""The JSON of a request: read fast, and where that fails, read as TensorFlow Serving reads it.

Beyond JSON it takes the bare tokens NaN, Infinity and -Infinity, a byte order mark, and anything after the
first complete document. Integers beyond 64 bits become floats, and floats beyond float64 infinity.
"""

import json
import re
from typing import Any

import orjson

from tidemill_gateway.errors import Refused, invalid
from tidemill_gateway.quoting import quoted

_REASONS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_MISSING_COMMA = {
    "{": "Missing a comma or } after an object member.",
    "[": "Missing a comma or ] after an array element.",
}
_BEGIN = re.compile(r"\ufeff?[ \t\r\n]*")
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_PERHAPS_UNPAIRED = re.compile(r"[\ud800-\udfff]|\\u[dD][89a-fA-F]")
_LITERAL_BEGUN = re.compile("n(?:ul?)?|t(?:ru?)?|f(?:a(?:ls?)?)?")
_MAX_INTEGER_DIGITS = 20


def parse(body: bytes) -> dict[str, Any]:
    """Return the JSON object in the body; raises Refused when there is none."""
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        document = _parse_leniently(body.decode(errors="surrogateescape"))
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {quoted(document)} Is not object")
    return document


def _parse_leniently(text: str) -> Any:
    begin = _BEGIN.match(text)
    start = begin.end() if begin else 0
    if start == len(text):
        raise _parse_error("The document is empty.", text, start)
    try:
        document, end = json.JSONDecoder(parse_int=_number).raw_decode(text, start)
        if perhaps := _PERHAPS_UNPAIRED.search(text, 0, end):
            _check_text(document, text, perhaps)
    except json.JSONDecodeError as error:
        raise _syntax_error(error) from error
    except RecursionError as error:
        raise invalid("JSON Parse error: The document is nested too deeply.") from error
    return document


def _number(digits: str) -> int | float:
    if len(digits) <= _MAX_INTEGER_DIGITS and -(2**63) <= int(digits) < 2**64:
        return int(digits)
    return float(digits)


def _check_text(document: Any, text: str, perhaps: re.Match[str]) -> None:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        escaped = perhaps.group().startswith("\\")
        reason = "The surrogate pair in string is invalid." if escaped else "Invalid encoding in string."
        raise _parse_error(reason, text, perhaps.start()) from error


def _syntax_error(error: json.JSONDecodeError) -> Refused:
    position = error.pos
    reason = _REASONS.get(error.msg)
    if reason is None:
        reason = _MISSING_COMMA.get(_innermost_bracket(error.doc[:position]), "Invalid value.")
    elif error.msg == "Expecting value":
        # The offence is where a literal such as `nul` breaks off, not where it begins.
        literal = _LITERAL_BEGUN.match(error.doc, position)
        position = literal.end() if literal else position
    return _parse_error(reason, error.doc, position)


def _parse_error(reason: str, text: str, position: int) -> Refused:
    offset = len(text[:position].encode(errors="surrogateescape"))
    return invalid(f"JSON Parse error: {reason} at offset: {offset}")


def _innermost_bracket(text: str) -> str:
    opened = [""]
    for token in _STRING_OR_BRACKET.findall(text):
        if token in ("[", "{"):
            opened.append(token)
        elif token in ("]", "}"):
            opened.pop()
    return opened[-1]
