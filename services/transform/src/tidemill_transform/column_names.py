"""Names that columns have in the warehouse, where a file's own name will not do."""

import hashlib
import re
from collections.abc import Iterable

SPAN = "span"
MAX_CHARACTERS = 300
# Every warehouse takes these as they are.
PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Source: https://cloud.google.com/bigquery/docs/schemas#column_names
RESERVED = ("_table_", "_file_", "_partition", "_row_timestamp", "__root__", "_colidentifier", "_change_")


def warehouse_names(names: Iterable[str]) -> dict[str, str]:
    """Map columns of a file to names that BigQuery takes and that differ in more than their case.

    What is taken as it is stays as it is. Of names that would become the same, the one that needs no change
    keeps it, then the first by code points; the others get a hash of their own name appended. So a name
    becomes the same in every span, unless columns are added that it collides with.
    """
    taken = {SPAN}
    chosen = {}
    for name in sorted(names, key=lambda name: (_legal(name) != name, name)):
        legal = _legal(name)
        if legal.lower() in taken:
            legal = f"{legal[: MAX_CHARACTERS - 7]}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
        taken.add(legal.lower())
        chosen[name] = legal
    return chosen


def _legal(name: str) -> str:
    legal = name if re.fullmatch(r"\w+", name) else re.sub(r"\W+", "_", name).strip("_")
    if not legal or legal[0].isdigit():
        legal = f"_{legal}"
    if legal.lower().startswith(RESERVED):
        legal = f"column{legal}"
    return legal[:MAX_CHARACTERS]
