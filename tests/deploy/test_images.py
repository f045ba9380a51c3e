"""Every image is built in one way, from files that are there."""

import re
from importlib import import_module

import pytest
from dockerfiles import ROOT, added, arguments, copied, is_sent, stages

SERVICES = ("ingest", "transform", "trainer", "serving", "gateway", "controller")
# The worker copies from images of Beam and Dataflow.
OTHERS = ("${BEAM}", "${LAUNCHER}")
WORKER = "services/transform/dataflow.Dockerfile"
DOCKERFILES = [*(f"services/{service}/Dockerfile" for service in SERVICES), "local/Dockerfile", WORKER]


@pytest.mark.parametrize("service", SERVICES[1:])
def test_services_are_built_alike(service: str) -> None:
    reference = (ROOT / "services/ingest/Dockerfile").read_text().replace("ingest", service)
    dockerfile = (ROOT / f"services/{service}/Dockerfile").read_text()

    assert without_differences(dockerfile) == without_differences(reference)


def without_differences(text: str) -> str:
    """Leave out ports, and what the trainer has for GPUs."""
    text = re.sub(
        r"^(EXPOSE .*|ARG ACCELERATOR=cpu|ENV LD_LIBRARY_PATH=.*|#.*)\n", "", text, flags=re.MULTILINE
    )
    return text.replace("-${ACCELERATOR}", "")


def test_the_image_for_development_is_built_like_the_services() -> None:
    def shape(dockerfile: str) -> list[str]:
        found = stages(dockerfile)
        steps = [*found["dependencies"], *found["code"], *added(dockerfile)]
        names = [name for name, _ in steps if name not in {"COPY", "CMD"}]
        return names + [value for name, value in steps if name in {"ARG", "ENV", "USER"}]

    assert shape("local/Dockerfile") == shape("services/ingest/Dockerfile")


def test_workers_have_what_the_service_that_starts_them_has() -> None:
    service, worker = stages("services/transform/Dockerfile"), stages(WORKER)

    assert [worker[stage] for stage in ("dependencies", "code")] == [
        service[stage] for stage in ("dependencies", "code")
    ]


@pytest.mark.parametrize("variant", ["trainer-cpu", "trainer-gpu", "run-cpu"])
def test_an_image_has_the_versions_that_are_tested(variant: str) -> None:
    locked, tested = pins(variant), pins(variant.rpartition("-")[0])
    # The one TensorFlow by another name, and what a GPU needs besides.
    kinds = {each for each in locked if each.startswith(("tensorflow-cpu==", "nvidia-"))}

    assert {each.replace("tensorflow-cpu", "tensorflow") for each in kinds if "cpu==" in each} <= tested
    assert locked - kinds <= tested


def pins(requirements: str) -> set[str]:
    text = (ROOT / f"requirements/{requirements}.txt").read_text()
    return set(re.findall(r"^[\w.-]+==[\w.]+", text, flags=re.MULTILINE))


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


def test_nothing_else_is_sent_to_the_builder() -> None:
    for name in (".git/config", ".venv/bin/python", "services/ingest/tests/test_api.py", "README.md"):
        assert not is_sent(name)


def test_no_folder_that_is_sent_is_found_by_a_wildcard() -> None:
    exceptions = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]

    assert exceptions
    assert not [each for each in exceptions if "*" in each.rpartition("/")[0]]


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_an_image_runs_as_nobody_and_starts_without_a_shell(dockerfile: str) -> None:
    # Dataflow mounts folders for its workers to write to, which are root's.
    assert arguments(dockerfile, "USER") == ([] if dockerfile == WORKER else ["65532:65532"])
    for command in (*arguments(dockerfile, "ENTRYPOINT"), *arguments(dockerfile, "CMD")):
        assert re.fullmatch(r'\["[^\]]+"\]', command)


@pytest.mark.parametrize("dockerfile", DOCKERFILES)
def test_the_base_can_be_replaced_and_every_download_is_checked(dockerfile: str) -> None:
    assert arguments(dockerfile, "ARG")[0] == "BASE=docker.io/library/python:3.11-slim-bookworm"
    stages = [each for each in arguments(dockerfile, "FROM") if not each.startswith(OTHERS)]
    origins, names = zip(*(each.partition(" AS ")[::2] for each in stages), strict=True)
    assert set(origins) <= {"${BASE}", *names}
    for command in arguments(dockerfile, "RUN"):
        for step in re.findall(r"pip (?:--python \S+ )?(?:install|wheel) [^&]*", command):
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
