"""What the Dockerfiles say, and which files are sent to the builder."""

import fnmatch
import re
from pathlib import Path
from string import Template

ROOT = Path(__file__).parents[2]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return (instruction, arguments), continued lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line]


def stages(dockerfile: str) -> dict[str, list[tuple[str, str]]]:
    """Return the instructions after each FROM, by the stage's name; the last one's is empty."""
    found: dict[str, list[tuple[str, str]]] = {}
    name = None
    for instruction, value in instructions(dockerfile):
        if instruction == "FROM":
            name = value.partition(" AS ")[2]
            found[name] = []
        elif name is not None:
            found[name].append((instruction, value))
    return found


def added(dockerfile: str) -> list[tuple[str, str]]:
    """Return the instructions since the base: of the last stage, after those of one that it goes on from."""
    *_, before = arguments(dockerfile, "FROM")
    found = stages(dockerfile)
    return [*found.get(before, []), *found[""]]


def arguments(dockerfile: str, name: str) -> list[str]:
    """Return the arguments of every instruction of that name."""
    return [value for instruction, value in instructions(dockerfile) if instruction == name]


def copied(dockerfile: str) -> list[str]:
    """Return the sources of the COPY instructions, with default arguments; not those from a stage."""
    defaults = dict(each.split("=", 1) for each in arguments(dockerfile, "ARG"))
    copies = [each.split() for each in arguments(dockerfile, "COPY") if not each.startswith("--from")]
    return [Template(source).safe_substitute(defaults) for sources in copies for source in sources[:-1]]


def is_sent(name: str) -> bool:
    """Apply .dockerignore as the builder does: a pattern is for a path and all below; the last decides."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    parts = name.split("/")
    prefixes = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    sent = True
    for rule in rules:
        pattern = rule.lstrip("!")
        if any(_matches(prefix, pattern) for prefix in prefixes):
            sent = rule.startswith("!")
    return sent


def _matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return path.rpartition("/")[2] == pattern.removeprefix("**/")
    pairs = zip(path.split("/"), pattern.split("/"), strict=False)
    return path.count("/") == pattern.count("/") and all(fnmatch.fnmatchcase(*pair) for pair in pairs)
