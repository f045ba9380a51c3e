"""Answers to questions: some rows, written for people, for spreadsheets or for programs."""

import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# A last column at least as wide is written over several lines, rather than each column on one.
FOLDED_CHARACTERS = 40
NUMBERS = ("BIGINT", "DOUBLE", "INTEGER", "HUGEINT", "DECIMAL", "FLOAT", "UBIGINT")


class Format(StrEnum):
    """How an answer is written: for people, for spreadsheets, or one JSON object a line."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Answer:
    """Some rows; `types` are DuckDB's names of them. `is_cut` says that there are more."""

    names: list[str]
    types: list[str]
    rows: list[tuple[Any, ...]]
    is_cut: bool


def show_answer(answer: Answer, format_: Format, console: Console) -> None:
    """Print an answer."""
    match format_:
        case Format.TABLE:
            _print_table(answer, console)
        case Format.CSV:
            writer = csv.writer(sys.stdout)
            writer.writerow(answer.names)
            writer.writerows([_plain(value) for value in row] for row in answer.rows)
        case Format.JSON:
            for row in answer.rows:
                values = dict(zip(answer.names, row, strict=True))
                sys.stdout.write(json.dumps(values, default=str, ensure_ascii=False) + "\n")


def _print_table(answer: Answer, console: Console) -> None:
    texts = [[_shown(value) for value in row] for row in answer.rows]
    widths = [max(map(len, [name, *column])) for name, *column in zip(answer.names, *texts, strict=True)]
    left = console.width - sum(widths[:-1]) - 2 * len(widths)
    if left < min(widths[-1], FOLDED_CHARACTERS):
        _print_records(answer.names, texts, console)
        return
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name, kind in zip(answer.names, answer.types, strict=True):
        table.add_column(Text(name), justify="right" if kind.startswith(NUMBERS) else "left", no_wrap=True)
    table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    for row in texts:
        table.add_row(*map(Text, row))
    console.print(table)


def _print_records(names: Sequence[str], rows: Sequence[Sequence[str]], console: Console) -> None:
    """Print a column of a row per line: rows are wider than the screen."""
    width = max(map(len, names))
    for number, row in enumerate(rows, start=1):
        console.print(Text(f"row {number}", style="dim"))
        for name, value in zip(names, row, strict=True):
            console.print(Text.assemble((f"  {name:>{width}}  ", "dim"), value), soft_wrap=True)


def _shown(value: object) -> str:
    match value:
        case None:
            return ""
        case float():
            return f"{value:.6g}" if abs(value) < 1e15 else str(value)
    return str(_plain(value))


def _plain(value: object) -> object:
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else value
