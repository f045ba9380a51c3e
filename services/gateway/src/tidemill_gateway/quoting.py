"""JSON values as they are quoted in error messages."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

MAX_QUOTED_BYTES = 256
_INDENT = " " * 4


def quoted(value: Any) -> str:
    """Return the JSON of a parsed value, pretty-printed and cut at 256 bytes; safe at any depth and size."""
    text = "".join(islice(_tokens(value, 1), MAX_QUOTED_BYTES))
    return text.encode(errors="replace")[:MAX_QUOTED_BYTES].decode(errors="ignore")


def json_type(value: Any) -> str:
    """Name the JSON type of a parsed value as TensorFlow Serving does."""
    names = {dict: "Object", list: "Array", str: "String", int: "Number", float: "Number"}
    return "Null" if value is None else str(value) if type(value) is bool else names[type(value)]


def _tokens(value: Any, depth: int) -> Iterator[str]:
    # Every token has a character at least, so that what is cut off is never written.
    if type(value) is dict and value:
        for number, (name, member) in enumerate(value.items()):
            yield ",\n" if number else "{\n"
            yield _INDENT * depth + f"{_scalar(name)}: "
            yield from _tokens(member, depth + 1)
        yield "\n" + _INDENT * (depth - 1) + "}"
    elif type(value) is list and value:
        for number, item in enumerate(value):
            yield ", " if number else "["
            yield from _tokens(item, depth + 1)
        yield "]"
    else:
        yield _scalar(value)


def _scalar(value: Any) -> str:
    return json.dumps(value[:MAX_QUOTED_BYTES] if type(value) is str else value, ensure_ascii=False)
