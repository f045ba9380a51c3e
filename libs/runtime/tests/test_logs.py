"""Rules of logs: every line is one JSON object that Cloud Logging reads, whatever is in it."""

import json
import logging
from collections.abc import Callable
from contextlib import suppress

import pytest

from tidemill_runtime.logs import configure_logging, get_logger

Lines = list[dict[str, object]]
Logged = Callable[[Callable[[], object]], Lines]


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Logged:
    """Run something with logs configured as a service does, and return the lines it wrote."""

    def run(write: Callable[[], object]) -> Lines:
        root = logging.getLogger()
        before = root.handlers
        configure_logging("ingest", log_format="json", level="INFO")
        try:
            write()
        finally:
            root.handlers = before
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    return run


def test_a_line_has_cloud_loggings_fields(logged: Logged) -> None:
    (line,) = logged(lambda: get_logger().warning("drop-refused", name='a "quoted"\nname'))

    assert line["severity"] == "WARNING"
    assert line["message"] == "drop-refused"
    assert line["name"] == 'a "quoted"\nname'
    assert line["service"] == "ingest"
    assert "time" in line


def test_a_librarys_warning_is_json_too(logged: Logged) -> None:
    (line,) = logged(lambda: logging.getLogger("some.library").warning("careful: %s", "x"))

    assert (line["severity"], line["message"]) == ("WARNING", "careful: x")


def test_a_traceback_stays_in_its_line(logged: Logged) -> None:
    def fail() -> None:
        with suppress(ValueError):
            try:
                int("inner")
            except ValueError:
                get_logger().exception("handler-failed")
                raise

    (line,) = logged(fail)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_lines_below_the_level_are_not_written(logged: Logged) -> None:
    assert logged(lambda: get_logger().debug("detail")) == []
