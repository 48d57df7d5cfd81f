"""The log: one line per event on stderr, for people or as JSON; uvicorn's lines go there, too.

No line holds secrets, tags, file names or paths in storage; the callers see to that.
"""

import logging
import sys
import time
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, Processor

from core.settings import Settings

SERVER_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
NOISY_LOGGERS = ("python_multipart", "asyncio", "httpx", "httpcore")
DETAILED_LOGGERS = ("alembic",)  # what a heal has changed is logged by whoever healed
FAILURE_SECONDS = 60
MAX_FAILURES = 100
_failures: dict[tuple[str, str], tuple[float, int]] = {}  # when each was logged, and how often it has occurred since


class _StderrLogger(structlog.WriteLogger):
    """Writes lines to stderr under a logger's name. Going through the standard library would cost thrice as much."""

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stderr)
        self.name = name


def configure_logging(settings: Settings) -> None:
    """Sends all log lines of this process to stderr, in the configured format and from the configured level on."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(settings.log_format)
    structlog.configure(
        processors=[_add_name, *shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=False,
    )
    foreign: list[Processor] = [structlog.stdlib.add_logger_name, *shared, structlog.stdlib.ExtraAdder(allow=())]
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=[remove_meta, *rendering])
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    _configure_library_loggers(detailed=settings.log_level == "DEBUG")


def _add_name(logger: _StderrLogger, _method: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


def _rendering(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain tracebacks: the pretty ones show the values of local variables, secrets among them.
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    ]


def _configure_library_loggers(*, detailed: bool) -> None:
    for name in SERVER_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in DETAILED_LOGGERS:
        logging.getLogger(name).setLevel(logging.NOTSET if detailed else logging.WARNING)


def log_failure(write: Callable[..., object], event: str, failure: Exception, **fields: object) -> None:
    """Logs a failure that may recur with every request, by `write`: at once, then once a minute with its count."""
    reason = str(failure) or type(failure).__name__
    if len(_failures) > MAX_FAILURES:
        _failures.clear()
    now = time.monotonic()
    logged_at, unlogged = _failures.get((event, reason), (-float("inf"), 0))
    if now - logged_at < FAILURE_SECONDS:
        _failures[event, reason] = (logged_at, unlogged + 1)
        return
    _failures[event, reason] = (now, 0)
    write(event, reason=reason, **fields, **({"times": unlogged + 1} if unlogged else {}))
