"""Images that an engine builds from this tree, and what their services need around them to become ready."""

from collections.abc import Callable, Iterator
from functools import cache

import pytest
from catalogue import GPU, IMAGES, LOCAL, SERVING, Built
from dockerfiles import ROOT
from engine import build, engine_answers
from starting import Surroundings, surroundings

BUILD_AND_TEST_SECONDS = 3600
FIGURES = pytest.StashKey[list[str]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--image-base", default="", help="base in place of the official image of Python")
    parser.addoption("--image-build-options", default="", help="given on to docker build")
    parser.addoption("--image-tag", default="", help="of images to test that are built already")
    parser.addoption("--image-gpu", action="store_true", help="also build the trainer's image for GPUs")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "images" in item.path.parts:
            item.add_marker(pytest.mark.timeout(BUILD_AND_TEST_SECONDS))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    figures = config.stash[FIGURES]
    for line in sorted(figures):
        terminalreporter.write_line(line)


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a line for the end of the run."""
    return pytestconfig.stash[FIGURES].append


@pytest.fixture(scope="session")
def options(pytestconfig: pytest.Config) -> list[str]:
    """What is given to every build."""
    base = pytestconfig.getoption("--image-base")
    return [
        *str(pytestconfig.getoption("--image-build-options")).split(),
        *(("--build-arg", f"BASE={base}") if base else ()),
    ]


@pytest.fixture(scope="session")
def engine() -> None:
    """Skip where no Docker engine answers."""
    if not engine_answers():
        pytest.skip("no Docker engine answers: NO IMAGE IS BUILT OR STARTED, only install steps are run")


@pytest.fixture(scope="session")
def built(engine: None, pytestconfig: pytest.Config, options: list[str]) -> Built:
    """Build an image once, and return its tag."""
    tag = pytestconfig.getoption("--image-tag")

    @cache
    def built_once(name: str) -> str:
        [image] = (each for each in IMAGES if each.name == name)
        if image is GPU and not pytestconfig.getoption("--image-gpu"):
            pytest.skip("the image for GPUs is large: it is built with --image-gpu alone")
        if not tag:
            build(image.dockerfile, f"tidemill-{name}:test", ROOT, [*options, *image.build_options])
        return f"tidemill-{name}:{tag or 'test'}"

    return lambda image: built_once(image.name)


@pytest.fixture(scope="session")
def world(built: Built) -> Iterator[Surroundings]:
    """Return what services need to become ready, as containers."""
    with surroundings(built(LOCAL), built(SERVING)) as world:
        yield world
