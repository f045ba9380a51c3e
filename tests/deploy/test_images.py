"""Every image is built in one way, from files that are there."""

import fnmatch
import re
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SERVICES = ("ingest", "transform", "trainer", "serving", "gateway")
WORKER = "services/transform/dataflow.Dockerfile"
DOCKERFILES = [*(f"services/{service}/Dockerfile" for service in SERVICES), "local/Dockerfile", WORKER]


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """Return (instruction, arguments), continued lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", (ROOT / dockerfile).read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [(line.split()[0], line.split(maxsplit=1)[1]) for line in lines if line]


def arguments(dockerfile: str, name: str) -> list[str]:
    return [value for instruction, value in instructions(dockerfile) if instruction == name]


def copied(dockerfile: str) -> list[str]:
    """Sources of the COPY instructions, those from another stage left out."""
    copies = [each.split() for each in arguments(dockerfile, "COPY") if not each.startswith("--from")]
    return [source for sources in copies for source in sources[:-1]]


@pytest.mark.parametrize("service", SERVICES[1:])
def test_services_are_built_alike(service: str) -> None:
    reference = (ROOT / "services/ingest/Dockerfile").read_text().replace("ingest", service)
    dockerfile = (ROOT / f"services/{service}/Dockerfile").read_text()

    assert without_ports(dockerfile) == without_ports(reference)


def without_ports(text: str) -> str:
    return re.sub(r"^EXPOSE .*$", "", text, flags=re.MULTILINE)


def test_the_image_for_development_is_built_like_the_services() -> None:
    def shape(dockerfile: str) -> list[str]:
        names = [name for name, _ in instructions(dockerfile) if name not in {"COPY", "CMD"}]
        return names + [value for name, value in instructions(dockerfile) if name in {"ARG", "ENV", "USER"}]

    assert shape("local/Dockerfile") == shape("services/ingest/Dockerfile")


def test_workers_have_what_the_service_that_starts_them_has() -> None:
    def build(dockerfile: str) -> str:
        text = (ROOT / dockerfile).read_text()
        return text[text.index("FROM") : text.index("FROM ${BASE}\n")]

    # Beam asks pip which Beam there is.
    service = build("services/transform/Dockerfile").replace(" --without-pip", "")
    assert build(WORKER) == service


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_what_is_copied_is_there_and_sent_to_the_builder(dockerfile: str) -> None:
    for source in copied(dockerfile):
        path = ROOT / source
        assert path.exists(), (
            f"{dockerfile} copies {source}: expected it in the tree (requirements: make lock)"
        )
        files = [path] if path.is_file() else [*path.rglob("pyproject.toml"), *path.rglob("src/*/*.py")]
        assert files
        for file in files:
            assert is_sent(str(file.relative_to(ROOT))), f"{file} is left out by .dockerignore"


def is_sent(name: str) -> bool:
    """Apply .dockerignore as the builder does: a pattern is for a path and all below; the last decides."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    parts = name.split("/")
    prefixes = ["/".join(parts[: length + 1]) for length in range(len(parts))]
    sent = True
    for rule in rules:
        pattern = rule.lstrip("!")
        if any(matches(prefix, pattern) for prefix in prefixes):
            sent = rule.startswith("!")
    return sent


def matches(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return path.rpartition("/")[2] == pattern.removeprefix("**/")
    pairs = zip(path.split("/"), pattern.split("/"), strict=False)
    return path.count("/") == pattern.count("/") and all(fnmatch.fnmatchcase(*pair) for pair in pairs)


def test_nothing_else_is_sent_to_the_builder() -> None:
    for name in (".git/config", ".venv/bin/python", "services/ingest/tests/test_api.py", "README.md"):
        assert not is_sent(name)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_runs_as_nobody_and_starts_without_a_shell(dockerfile: str) -> None:
    # Dataflow mounts folders for its workers to write to, which are root's.
    assert arguments(dockerfile, "USER") == ([] if dockerfile == WORKER else ["65532:65532"])
    for command in (*arguments(dockerfile, "ENTRYPOINT"), *arguments(dockerfile, "CMD")):
        assert re.fullmatch(r'\["[^\]]+"\]', command)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_base_can_be_replaced_and_every_download_is_checked(dockerfile: str) -> None:
    assert arguments(dockerfile, "ARG") == ["BASE=docker.io/library/python:3.11-slim-bookworm"]
    assert arguments(dockerfile, "FROM") == ["${BASE} AS build", "${BASE}"]
    for command in arguments(dockerfile, "RUN"):
        for step in re.findall(r"pip .*?(?:install|wheel) [^&]*", command):
            assert "--require-hashes" in step or "--no-index" in step


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_starts_the_service_s_own_script(service: str) -> None:
    [entry_point] = arguments(f"services/{service}/Dockerfile", "ENTRYPOINT")
    project = (ROOT / f"services/{service}/pyproject.toml").read_text()

    assert entry_point == f'["tidemill-{service}"]'
    assert re.search(rf'tidemill-{service} = "tidemill_{service}\.(app|__main__):main"', project)


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_exposes_the_ports_of_its_settings(service: str) -> None:
    fields = import_module(f"tidemill_{service}.settings").Settings.model_fields
    [exposed] = arguments(f"services/{service}/Dockerfile", "EXPOSE")

    assert set(map(int, exposed.split())) == {
        field.default for name, field in fields.items() if name.endswith("port")
    }
