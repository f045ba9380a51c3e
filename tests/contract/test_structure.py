"""Rules of the house that no linter knows: they hold for every module of every part."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = [*(ROOT / "libs").iterdir(), *(ROOT / "services").iterdir(), ROOT / "local"]
SOURCES = sorted(path for part in PARTS for path in (part / "src").rglob("*.py") if "/pb/" not in str(path))
DUMPING_GROUNDS = {"utils", "util", "helpers", "common", "misc", "manager", "core", "base"}
MODULE_LINES = 300
FUNCTION_LINES = 40


def of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def modules() -> list[str]:
    names = []
    for path in SOURCES:
        parts = path.relative_to(next(parent for parent in path.parents if parent.name == "src")).with_suffix(
            ""
        )
        if parts.name not in ("__init__", "__main__"):
            names.append(".".join(parts.parts))
    return names


@pytest.mark.parametrize("path", SOURCES, ids=of)
def test_a_module_is_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MODULE_LINES
    assert path.stem not in DUMPING_GROUNDS


@pytest.mark.parametrize("path", SOURCES, ids=of)
def test_a_module_says_what_it_is(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", SOURCES, ids=of)
def test_functions_stay_short(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            lines = (node.end_lineno or 0) - body[0].lineno + 1
            assert lines <= FUNCTION_LINES, f"{node.name} has {lines} lines"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.name != "settings.py"], ids=of)
def test_only_settings_read_the_environment(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in ("environ", "getenv"), f"line {node.lineno}"


def test_importing_every_module_needs_no_configuration_and_starts_no_thread() -> None:
    light = [
        name for name in modules() if not name.startswith(("tidemill_trainer", "tidemill_local.modelserver"))
    ]
    program = (
        "import importlib, threading\n"
        f"for name in {light!r}: importlib.import_module(name)\n"
        "print([thread.name for thread in threading.enumerate()])"
    )
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "['MainThread']"
