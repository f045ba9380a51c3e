"""Columns whose values name rows, and say nothing that another row could be predicted by."""

import re

from tidemill_contracts.profile import ColumnProfile

# Fewer distinct values than this may be categories, or numbers that happen to differ.
MANY_DISTINCT = 100
ROWS_PER_VALUE = 2
# Numbers of nameless columns are taken for ids only when so many follow each other: the rows were numbered.
NUMBERED_ROWS = 2000
# Of numbered rows at least every fourth is left, whichever were held out, unlabelled or never sent.
NUMBERED_RANGE = 4
NEARLY_ALL = 0.9
ID_NAME = re.compile(r"(^|[^a-zA-Z])(?i:id|key|uuid|guid)$|[a-z](Id|ID|Key)$")


def names_rows(column: ColumnProfile) -> str | None:
    """Say why a column of texts or whole numbers is taken for an id; None when it is not."""
    values = column.rows - column.nulls
    distinct = column.distinct_estimate
    if column.type == "string" and distinct > max(MANY_DISTINCT, values / ROWS_PER_VALUE):
        return f"It names its rows: about {distinct:.0f} distinct texts in {values} rows."
    if column.type == "int" and distinct > MANY_DISTINCT and _is_numbering(column, values):
        return f"It names its rows: about {distinct:.0f} distinct whole numbers in {values} rows."
    return None


def _is_numbering(column: ColumnProfile, values: int) -> bool:
    if column.numeric is None or column.distinct_estimate < NEARLY_ALL * values:
        return False
    if ID_NAME.search(column.name):
        return True
    spread = column.numeric.maximum - column.numeric.minimum
    return values >= NUMBERED_ROWS and column.repeated_share == 0 and spread < NUMBERED_RANGE * values
