"""What is wrong with a document, in words for the person who wrote it."""

import reprlib
from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails

NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$"
REFERENCE_PATTERN = r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?(\..+)?$"
BUDGET_PATTERN = r"^(fast|[1-9][0-9]{0,5}(s|m|h))$"
MEMORY_PATTERN = r"^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$"
CPU_PATTERN = r"^([1-9][0-9]{0,2}|[1-9][0-9]{0,5}m)$"
FUNCTION_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$"
HEADER_PATTERN = r"^[a-z0-9-]+$"
WORDS = {
    NAME_PATTERN: "a lower case letter, then lower case letters, digits and dashes, no dash at the end, "
    "at most 40 characters",
    REFERENCE_PATTERN: "request.INPUT, NODE.OUTPUT or NODE",
    BUDGET_PATTERN: "fast, or a time such as 90s, 10m or 2h",
    MEMORY_PATTERN: "memory such as 512Mi or 4Gi",
    CPU_PATTERN: "processors such as 4 or 500m",
    FUNCTION_PATTERN: "a function as module:function",
    HEADER_PATTERN: "lower case letters, digits and dashes",
}


def problems(error: ValidationError) -> Iterator[str]:
    """Tell each field that is wrong, with what was expected and what was received."""
    details = error.errors(include_url=False)
    places = [detail["loc"] for detail in details]
    for detail in details:
        place = detail["loc"]
        # A list misses the items that are wrong, each of which is told of by itself.
        has_wrong_items = any(place == other[: len(place)] != other for other in places)
        if detail["type"] != "too_short" or not has_wrong_items:
            where = ".".join(map(str, place))
            yield f"{where}: {_expected(detail)}, received {reprlib.repr(detail['input'])}"


def _expected(detail: ErrorDetails) -> str:
    match detail:
        case {"type": "string_pattern_mismatch", "ctx": {"pattern": str(pattern)}} if pattern in WORDS:
            return f"expected {WORDS[pattern]}"
        case {"type": "tuple_type"}:
            return "expected a list"
    return detail["msg"].replace("Tuple", "List")
