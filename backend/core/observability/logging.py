"""The log: one line an event on stderr, for people or as JSON, the server's own lines among them.

No line holds secrets, tags, names of files or places in storage; those who write lines see to that.
"""

import logging
import sys
import time
from collections.abc import Callable

import structlog
from structlog.typing import EventDict, Processor

from core.settings import Settings

SERVERS_LOGGERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")
NOISY_LOGGERS = ("python_multipart", "asyncio", "httpx", "httpcore")
FAILURE_SECONDS = 60
MOST_FAILURES = 100
_failures: dict[tuple[str, str], tuple[float, int]] = {}  # when each was told, and how often it was met since


class _Named(structlog.WriteLogger):
    """Writes lines to stderr, and knows for whom. Going through the standard library would cost thrice as much."""

    def __init__(self, name: str = "") -> None:
        super().__init__(sys.stderr)
        self.name = name


def configure_logging(settings: Settings) -> None:
    """Sends everything that is logged in this process to stderr, in the configured form and from the set level on."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    rendering = _rendering(settings.log_format)
    structlog.configure(
        processors=[_add_name, *shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=_Named,
        cache_logger_on_first_use=False,
    )
    foreign: list[Processor] = [structlog.stdlib.add_logger_name, *shared, structlog.stdlib.ExtraAdder(allow=())]
    handler = logging.StreamHandler(sys.stderr)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=foreign, processors=[remove_meta, *rendering])
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level, force=True)
    _fold_in()


def _add_name(logger: _Named, _method: str, event: EventDict) -> EventDict:
    event["logger"] = logger.name
    return event


def _rendering(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    # Plain tracebacks: the pretty ones show the values of local variables, and with them what nobody may read.
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
        )
    ]


def _fold_in() -> None:
    for name in SERVERS_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    for name in NOISY_LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)


def log_failure(write: Callable[..., object], event: str, failure: Exception, **fields: object) -> None:
    """Lets `write` tell, with the reason, of a failure that may be met by every request and every try.

    It is told at once, and then once a minute, with how often it was met.
    """
    reason = str(failure) or type(failure).__name__
    if len(_failures) > MOST_FAILURES:
        _failures.clear()
    now = time.monotonic()
    told, untold = _failures.get((event, reason), (-float("inf"), 0))
    if now - told < FAILURE_SECONDS:
        _failures[event, reason] = (told, untold + 1)
        return
    _failures[event, reason] = (now, 0)
    write(event, reason=reason, **fields, **({"times": untold + 1} if untold else {}))
