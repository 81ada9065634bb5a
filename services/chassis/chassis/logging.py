"""Structured logging: one JSON object a line, on standard output.

Whoever works on something binds its identifiers once (`bound(order_id=..)`); every line written inside carries them.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator

import structlog

LIBRARIES_LOUD_AT_INFO = ("aio_pika", "aiormq", "uvicorn", "sqlalchemy", "asyncio", "alembic")


def configure(service: str, level: str, *more: structlog.typing.Processor) -> None:
    """Write JSON lines with `time`, `level`, `service`, `event` and whatever is bound; the standard library's too.

    `more` adds fields of its own to every line.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        *more,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        _name_service(service),
    ]
    render: list[structlog.typing.Processor] = [
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(default=str),
    ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    drop_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[drop_meta, *render]))
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)
    for library in LIBRARIES_LOUD_AT_INFO:
        logging.getLogger(library).setLevel(logging.WARNING)


def _name_service(service: str) -> structlog.typing.Processor:
    def add(_: object, __: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        fields["service"] = service
        return fields

    return add


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """The logger of whoever asks; its lines carry what is bound at the time."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger


@contextlib.contextmanager
def bound(**fields: object) -> Iterator[None]:
    """Every line logged inside carries these fields (`order_id`, `event_id`, `correlation_id`)."""
    with structlog.contextvars.bound_contextvars(**fields):
        yield
