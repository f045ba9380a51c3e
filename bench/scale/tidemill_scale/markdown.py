"""Tables, and blocks of a document that are made anew."""

import re
from collections.abc import Iterable, Mapping, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Write a table; every row has as many cells as the head."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def number(value: float) -> str:
    """Write a number as a person reads it: three digits or so."""
    if value >= 100 or value == round(value):
        return f"{value:,.0f}"
    return f"{value:.2g}" if value < 1 else f"{value:.1f}"


def share(value: float) -> str:
    """Write how much of something is used, so that what does not hold is seen."""
    if value < 0.01:
        return "<1 %"
    return f"{value:.0%}".replace("%", " %") if value <= 1 else f"**{number(value)} times**"


def filled(text: str, blocks: Mapping[str, str]) -> str:
    """Put every block between its marks; raise KeyError for marks that no block is for."""

    def replaced(found: "re.Match[str]") -> str:
        return f"{found[1]}\n\n{blocks[found[2]]}\n\n{found[3]}"

    return re.sub(r"(<!-- made: ([a-z-]+) -->)\n.*?(<!-- end -->)", replaced, text, flags=re.DOTALL)
