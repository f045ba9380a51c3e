"""Rules of logs: every line is one JSON object that Cloud Logging reads, whatever is in it."""

import json
import logging

import pytest

from tidemill_runtime.logs import configure_logging, get_logger


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.fixture(autouse=True)
def _json_logs(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("ingest", log_format="json", level="INFO")


def test_a_line_has_cloud_loggings_fields(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger().warning("drop-refused", name='a "quoted"\nname')

    (line,) = lines(capsys)
    assert line["severity"] == "WARNING"
    assert line["message"] == "drop-refused"
    assert line["name"] == 'a "quoted"\nname'
    assert line["service"] == "ingest"
    assert "time" in line


def test_a_librarys_warning_is_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("some.library").warning("careful: %s", "x")

    (line,) = lines(capsys)
    assert (line["severity"], line["message"]) == ("WARNING", "careful: x")


def test_a_traceback_stays_in_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        int("inner")
    except ValueError:
        get_logger().exception("handler-failed")

    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in str(line["exception"])


def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    get_logger().debug("detail")

    assert lines(capsys) == []
