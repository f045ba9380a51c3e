"""Writes the tables into docs/scale.md, and its picture beside it.

python -m tidemill_scale.document
"""

from collections.abc import Mapping
from pathlib import Path

from tidemill_scale import charts, findings, tables
from tidemill_scale.markdown import filled

ROOT = Path(__file__).resolve().parents[3]
DOCUMENT = ROOT / "docs" / "scale.md"


def blocks() -> Mapping[str, str]:
    """Make every table of the document."""
    return {
        "workloads": tables.workloads(),
        "pods": tables.pods(),
        "dollars": tables.dollars(),
        "bottlenecks": tables.bottlenecks(),
        "remedies": tables.remedies(),
        "prices": tables.price_list(),
        "limits": tables.limit_list(),
        "checked": findings.checked(),
        "fleet": findings.fleet(),
        "lost": findings.lost(),
        "doubling": findings.doubling(),
        "days": findings.days(),
    }


def files() -> Mapping[Path, str]:
    """Return the document and its picture as they should be."""
    return {
        DOCUMENT: filled(DOCUMENT.read_text(), blocks()),
        DOCUMENT.parent / "scale" / "bottlenecks.svg": charts.bottlenecks(),
    }


def main() -> None:
    """Write what has changed."""
    for path, text in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
