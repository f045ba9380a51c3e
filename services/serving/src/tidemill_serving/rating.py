"""What a label says of an answer: a reward from 0 to 1, and whether the answer was right.

| answer                                       | reward                               | right                |
|----------------------------------------------|--------------------------------------|----------------------|
| `probability` of true                        | 1 - distance from the truth (0 or 1) | on the label's side  |
|                                              |                                      | of the threshold     |
| `class`                                      | 1 when it is the label, else 0       | when it is the label |
| `value`                                      | 1 - error / (size of both), 1 at 0   | not told             |

A model with one output of another name is rated by what that holds, and what the label is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tidemill_contracts.recorded import Label

TRUTHS = {"true": 1.0, "false": 0.0, "1": 1.0, "0": 0.0}


@dataclass(frozen=True)
class Rated:
    """`reward` is from 0 to 1; `is_right` None where an answer is only more or less near."""

    reward: float
    is_right: bool | None


def rate(outputs: Mapping[str, Any], label: Label, threshold: float = 0.5) -> Rated | None:
    """Hold one row's answer against its label; None where they cannot be compared.

    `threshold` is the probability from which an answer is taken for true.
    """
    if "probability" in outputs:
        return _probability(outputs["probability"], label, threshold)
    if "class" in outputs:
        return _class(outputs["class"], label)
    answer = outputs.get("value", next(iter(outputs.values())) if len(outputs) == 1 else None)
    if isinstance(answer, str):
        return _class(answer, label)
    if isinstance(label, bool):
        return _probability(answer, label, threshold)
    return _value(answer, label)


def _probability(answer: Any, label: Label, threshold: float) -> Rated | None:
    truth = TRUTHS.get(_text(label))
    if truth is None or not _is_number(answer) or not 0 <= answer <= 1:
        return None
    return Rated(1 - abs(truth - answer), (answer >= threshold) == (truth == 1))


def _class(answer: Any, label: Label) -> Rated:
    is_right = answer == (label if isinstance(label, str) else _text(label))
    return Rated(float(is_right), is_right)


def _value(answer: Any, label: Label) -> Rated | None:
    if not _is_number(answer) or not _is_number(label):
        return None
    size = abs(answer) + abs(float(label))
    return Rated(1 - abs(answer - float(label)) / size if size else 1.0, None)


def _text(label: Label) -> str:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    return str(label).lower()


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
