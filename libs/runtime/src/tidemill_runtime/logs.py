"""Structured logs: one JSON object per line, with the field names that Cloud Logging reads."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog


def configure_logging(service: str, *, log_format: str, level: str) -> None:
    """Send this process's logs, and those of its libraries, to standard error.

    Args:
        service: Name shown on every line.
        log_format: `json` for machines, `text` for people.
        level: Least level shown of our own lines; libraries are shown from WARNING.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    # No frame's variables in a traceback: they may hold cells of a column that nobody is to see.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    renderers = _json_renderers() if log_format == "json" else [console]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("tidemill").setLevel(level)
    structlog.contextvars.bind_contextvars(service=service)


def get_logger() -> structlog.stdlib.BoundLogger:
    """Return the logger of this process; fields are keyword arguments, the event a constant name."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger("tidemill")
    return logger


def _json_renderers() -> list[structlog.typing.Processor]:
    return [
        structlog.processors.format_exc_info,
        _as_cloud_logging,
        structlog.processors.JSONRenderer(),
    ]


def _as_cloud_logging(
    _logger: object, _method: str, fields: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    fields["severity"] = str(fields.pop("level", "info")).upper()
    fields["message"] = fields.pop("event", "")
    return fields
