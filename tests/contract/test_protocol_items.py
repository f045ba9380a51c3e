"""Every item of the protocols that Tidemill speaks has a test that carries its id.

T: TensorFlow Serving's REST and gRPC, V: the Open Inference Protocol, K: KServe's V1. A test carries an id at
the end of its name (`..._t21`), or at the start of one of its cases' ids ("T21 unknown signature").
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = [ROOT / "services" / "gateway" / "tests", ROOT / "local" / "tests" / "modelserver"]
ITEMS = [
    *(f"T{number}" for number in range(1, 37)),
    *(f"V{number}" for number in (*range(1, 14), *range(20, 24))),
    *(f"K{number}" for number in range(1, 4)),
]
IN_NAME = re.compile(r"_([tvk][0-9]+)(?=_|$)")
IN_CASE = re.compile(r"([TVK][0-9]+) ")


def carried(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield from (item.upper() for item in IN_NAME.findall(node.name))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "\n" not in node.value:
            yield from (case[1] for case in [IN_CASE.match(node.value)] if case)


@pytest.fixture(scope="module")
def tested() -> set[str]:
    return {item for folder in TESTS for path in folder.rglob("*.py") for item in carried(path)}


@pytest.mark.parametrize("item", ITEMS)
def test_an_item_of_a_protocol_has_a_test(tested: set[str], item: str) -> None:
    assert item in tested
