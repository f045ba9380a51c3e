"""The rules that rows must keep: a row that breaks one is set aside, with what was expected and what came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from tidemill_contracts.columns import ColumnSpec
from tidemill_contracts.events import Reason
from tidemill_contracts.manifest import Column
from tidemill_contracts.profile import ColumnType, ProfileModel
from tidemill_transform.errors import Unfit

REASON_COLUMN = "__reason__"
QUOTED_CHARACTERS = 40
QUOTED_VALUES = 10

RuleName = Literal["required", "minimum", "maximum", "values"]
FITTING: Mapping[RuleName, tuple[ColumnType, ...]] = {
    "required": ("bool", "int", "float", "timestamp", "string"),
    "minimum": ("int", "float"),
    "maximum": ("int", "float"),
    "values": ("bool", "int", "string"),
}


class RuleCount(ProfileModel):
    """How many rows break one rule of a column."""

    column: str
    rule: RuleName
    rows: int


@dataclass(frozen=True)
class Rule:
    """One rule of one column."""

    column: str
    name: RuleName
    limit: float | tuple[str, ...] | None

    def broken(self, values: pa.Array) -> pa.Array:
        """Say for each value whether it breaks the rule; a missing one breaks `required` alone."""
        if self.name == "required":
            return values.is_null()
        if self.name == "values":
            found = pc.is_in(pc.cast(values, pa.string()), pa.array(self.limit, pa.string()))
            return pc.and_(pc.invert(found), values.is_valid())
        beyond = pc.less if self.name == "minimum" else pc.greater
        numbers = pc.cast(values, pa.float64(), safe=False)
        return pc.fill_null(beyond(numbers, pa.scalar(self.limit, pa.float64())), False)

    def reasons(self, values: pa.Array) -> pa.Array:
        """Say of values that break the rule what was expected and what came."""
        expected = f"{self.column}: expected {self._expected()}"
        if self.name == "required":
            return pa.repeat(expected, len(values))
        received = pc.utf8_slice_codeunits(pc.cast(values, pa.string()), 0, QUOTED_CHARACTERS)
        return pc.binary_join_element_wise(f"{expected}, received", received, " ")

    def _expected(self) -> str:
        match self.limit:
            case tuple():
                more = f" or {len(self.limit) - QUOTED_VALUES} others" * (len(self.limit) > QUOTED_VALUES)
                return f"one of {list(self.limit[:QUOTED_VALUES])}{more}"
            case None:
                return "a value"
        return f"{'at least' if self.name == 'minimum' else 'at most'} {self.limit:.15g}"


@dataclass(frozen=True)
class Checked:
    """Which rows keep all rules, and those that do not, with their reasons in a further column."""

    kept: pa.Array
    rejected: pa.RecordBatch
    counts: tuple[RuleCount, ...]


def row_rules(specs: Mapping[str, ColumnSpec], columns: Sequence[Column]) -> tuple[Rule, ...]:
    """Return the rules of a spec; raise Unfit when some cannot be applied to columns as they are stored."""
    by_name = {column.name: column for column in columns}
    rules, misfits = [], []
    for name, spec in specs.items():
        for rule, limit in _limits(spec):
            if problem := _problem(by_name.get(name), rule):
                misfits.append(f"{rule} of {name}: {problem}")
            elif name in by_name:
                rules.append(Rule(name, rule, limit))
    if misfits:
        message = f"expected rules that fit their columns, received {'; '.join(misfits)}"
        raise Unfit(Reason(code="rule-does-not-fit", message=message))
    return tuple(rules)


def check_rows(rows: pa.RecordBatch, rules: Sequence[Rule]) -> Checked | None:
    """Divide rows into those that keep the rules and those that break any; None when all keep them."""
    broken = {rule: rule.broken(rows[rule.column]) for rule in rules}
    broken = {rule: breaks for rule, breaks in broken.items() if pc.any(breaks).as_py()}
    if not broken:
        return None
    rejected = reduce(pc.or_, broken.values())
    rows = rows.filter(rejected)
    reasons = [_reasons(rule, rows[rule.column], breaks.filter(rejected)) for rule, breaks in broken.items()]
    # Every row has a reason here: where all are null, this function would leave the row out.
    joined = pc.binary_join_element_wise(*reasons, "; ", null_handling="skip")
    counts = tuple(
        RuleCount(column=rule.column, rule=rule.name, rows=breaks.true_count)
        for rule, breaks in broken.items()
    )
    return Checked(pc.invert(rejected), rows.append_column(REASON_COLUMN, joined), counts)


def _reasons(rule: Rule, values: pa.Array, breaks: pa.Array) -> pa.Array:
    """Give a reason to each value that breaks the rule, and null to the others."""
    none = pa.nulls(len(values), pa.string())
    return pc.replace_with_mask(none, breaks, rule.reasons(values.filter(breaks)))


def _limits(spec: ColumnSpec) -> Iterator[tuple[RuleName, float | tuple[str, ...] | None]]:
    if spec.required:
        yield "required", None
    if spec.minimum is not None:
        yield "minimum", spec.minimum
    if spec.maximum is not None:
        yield "maximum", spec.maximum
    if spec.values is not None:
        yield "values", spec.values


def _problem(column: Column | None, rule: RuleName) -> str | None:
    if column is None:
        return "no such column is stored" if rule == "required" else None
    if rule != "required" and column.privacy != "keep":
        return f"its values are not stored in clear ({column.privacy})"
    if column.type not in FITTING[rule]:
        return f"its type is {column.type}"
    return None
