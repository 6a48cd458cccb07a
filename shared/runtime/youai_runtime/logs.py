"""JSON logs, one object a line on stdout, with the trace and request ids of what is being served."""

import logging
import sys
from contextvars import ContextVar
from typing import Any

import structlog

served: ContextVar[dict[str, str] | None] = ContextVar("served", default=None)
"""What tells of the request at hand in each line: its id and its trace."""


def configure(service: str, instance: str, level: str) -> None:
    """Send structlog and the standard library's logging through one JSON renderer on stdout."""
    shared: list[Any] = [
        _tell_of_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _stamp(service, instance),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False, default=str),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("aiokafka", "faust", "mode", "uvicorn.access", "kafka", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelName(level)))


def get(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; bind what identifies the work, say what happened in the event's name."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _tell_of_request(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return (served.get() or {}) | event


def _stamp(service: str, instance: str) -> Any:
    def add(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
        event["service"] = service
        event["instance"] = instance
        return event

    return add
