"""`python main.py` serves, `python main.py worker` works.

`uvicorn main:app` and `fastapi run` serve as well, but by a server that bounds neither heads nor connections.
"""

import core.installation  # before what it checks

# isort: split
import core.garbage_collection  # before what makes no garbage
import core.observability.without_rich  # noqa: F401 - before structlog

# isort: split
import argparse
import asyncio
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from api.http1.listener import address_of, claim_address
from core.errors import PegasusError
from core.garbage_collection import paused, resume
from core.hidden_modules import hidden
from core.observability.logging import configure_logging
from core.postgres.embedded import join
from core.settings import Settings, load_settings

if TYPE_CHECKING:
    from fastapi import FastAPI

resume()
log = structlog.get_logger("pegasus")
WORKER = "worker"
UNUSED = ("pygments",)  # Mako, which Alembic imports, would show errors of templates in colours


def main(arguments: Sequence[str] = ()) -> int:
    """A refusal is one sentence on stderr. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="main.py", description="Serves until Ctrl-C; its settings: .env.example.")
    parser.add_argument("role", nargs="?", choices=[WORKER], help="run jobs, and serve nothing")
    works = parser.parse_args(arguments).role == WORKER
    signal.signal(signal.SIGTERM, _end)
    try:
        settings = load_settings()
        configure_logging(settings)
        return _work(settings) if works else _serve(settings)
    except PegasusError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 0


def _serve(settings: Settings) -> int:
    with claim_address(settings) as listener:
        if sys.stderr.isatty():  # a person waits
            log.info("Pegasus starts", address=address_of(listener))
        with _postgres_starting(settings), paused(), hidden(*UNUSED):
            from app.serving import serve  # noqa: PLC0415 - takes a second, in which PostgreSQL starts
        return serve(settings, listener)


def _work(settings: Settings) -> int:
    with _postgres_starting(settings), paused(), hidden(*UNUSED):
        from app.worker_process import work_alone  # noqa: PLC0415 - as above
    asyncio.run(work_alone(settings))
    return 0


@contextmanager
def _postgres_starting(settings: Settings) -> Iterator[None]:
    """Starts the embedded PostgreSQL, where it is used, beside what the block does. Raises EmbeddedPostgresProblem."""
    if settings.database_url is not None:
        yield
        return
    with ThreadPoolExecutor(1) as thread:
        joined = thread.submit(join, settings.data_path)
        yield
        joined.result()


def _end(_signal: int, _frame: object) -> None:
    """uvicorn, once it has drained, raises SIGTERM again: whoever waits for this process's end has yet to be told."""
    sys.exit(0)


def create_app() -> "FastAPI":
    """The application, not yet started, for `uvicorn --factory main:create_app`. Raises SettingRefused."""
    from app.application import create_app as create  # noqa: PLC0415 - see _serve

    return create()


def __getattr__(name: str) -> "FastAPI":
    """`app`, made when it is asked for: `python main.py` and the tests make theirs themselves."""
    if name != "app":
        raise AttributeError(name)
    configure_logging(load_settings())
    log.warning("This server bounds neither heads nor connections: python main.py does")
    return create_app()


def __dir__() -> list[str]:
    """`fastapi run` looks for `app` here."""
    return [*globals(), "app"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
