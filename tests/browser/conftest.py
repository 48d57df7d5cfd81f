"""The page in browsers, on a real server. Run by `make test-browser`; elsewhere there is nothing to collect."""

import asyncio
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from app.schema_healing import bring_up_to_date
from core.settings import load_settings
from tests.api.test_main import Run, running
from tests.audio.transcription.service import KEY, replying, speaking
from tests.browser.said import ANSWER

collect_ignore_glob = [] if find_spec("playwright") else ["test_*.py"]
if find_spec("playwright"):
    from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

    from tests.browser.firefox import Firefox, firefox_running

    expect.set_options(timeout=15_000)

FIREFOX = ("firefox-esr", "firefox")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",  # root has none, and what is opened is ours
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
WATCH = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) =>
  cspReport(`${violatedDirective} ${blockedURI} ${sample}`))
"""


@dataclass
class Pegasus:
    """A server with a database and a folder of its own, which can be killed and started again at the same address."""

    folder: Path
    database: str
    environment: dict[str, str]
    port: int = 0
    run: Run | None = None

    @property
    def url(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, stack: ExitStack) -> None:
        """Starts it."""
        environment = {"DATABASE_URL": self.database, "PORT": str(self.port), **self.environment}
        self.run = stack.enter_context(running(self.folder, **environment))
        self.port = int(self.run.url().rpartition(":")[2])

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Runs a statement in its database."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values or None)
            return cursor.fetchall() if cursor.description else []

    def path_of(self, recording_id: str) -> Path:
        """Where the bytes of a recording lie."""
        [(name,)] = self.sql("SELECT file_path FROM audio_files WHERE id = %s", recording_id)
        return self.folder / "recordings" / str(name)


@contextmanager
def speech_service(answer: str) -> Iterator[str]:
    """The address of a service that hears the same in every recording, until the block ends."""

    async def serve() -> None:
        async with speaking() as speaker:
            speaker.answer = replying(200, answer)
            address.append(speaker.address)
            ready.set()
            while not done.is_set():
                await asyncio.sleep(0.2)

    address: list[str] = []
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield address[0]
    done.set()
    thread.join()


@pytest.fixture(scope="session")
def speech() -> Iterator[str]:
    """The address of a service that hears the same words in every recording."""
    with speech_service(json.dumps(ANSWER)) as address:
        yield address


@pytest.fixture(scope="session")
def healed(server_address: str) -> str:
    """The name of a database that is ready, which those of the tests are copies of."""
    name = f"healed_{uuid4().hex}"
    with psycopg.connect(server_address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
    settings = load_settings(database_url=server_address.replace("/pegasus?", f"/{name}?"))
    with ThreadPoolExecutor() as pool:  # Playwright has a loop of its own in this thread
        pool.submit(asyncio.run, bring_up_to_date(settings)).result()
    return name


@contextmanager
def _database(server_address: str, template: str) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    with psycopg.connect(server_address, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
        yield server_address.replace("/pegasus?", f"/{name}?")
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


StartPegasus = Callable[..., Pegasus]


@pytest.fixture
def start_pegasus(server_address: str, healed: str, tmp_path: Path) -> Iterator[StartPegasus]:
    """A function that starts a server with settings of its own."""
    with ExitStack() as stack:

        def start(**environment: str) -> Pegasus:
            database = stack.enter_context(_database(server_address, healed))
            pegasus = Pegasus(tmp_path / uuid4().hex, database, environment)
            pegasus.start(stack)
            return pegasus

        yield start


@pytest.fixture(scope="session")
def shared(
    server_address: str, healed: str, speech: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pegasus]:
    """The server of those tests that need no other; it hears what is said."""
    with ExitStack() as stack:
        database = stack.enter_context(_database(server_address, healed))
        engine = {"TRANSCRIPTION_ENGINE": "openai", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{speech}/v1"}
        pegasus = Pegasus(tmp_path_factory.mktemp("shared"), database, engine)
        pegasus.start(stack)
        yield pegasus


@pytest.fixture
def pegasus(shared: Pegasus) -> Pegasus:
    """The same, without a recording in it."""
    shared.sql("DELETE FROM audio_files")
    shared.sql("DELETE FROM pegasus_system.uploads")
    return shared


@pytest.fixture(scope="session")
def browser(server_address: str) -> Iterator["Browser"]:
    """Chromium, as the distribution has it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_installed(CHROMIUM), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def shared_firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator["Firefox"]:
    """Firefox, as the distribution has it."""
    with firefox_running(_installed(FIREFOX), tmp_path_factory.mktemp("firefox")) as firefox:
        yield firefox


@pytest.fixture
def firefox(shared_firefox: "Firefox") -> Iterator["Firefox"]:
    """The same; whatever a test does, no page may have written an error to its console."""
    shared_firefox.errors.clear()
    yield shared_firefox
    assert shared_firefox.errors == []


def _installed(names: tuple[str, ...]) -> str:
    path = next((path for name in names if (path := shutil.which(name))), None)
    assert path, f"There is no {names[0]} here: make test-browser installs it."
    return path


def is_elsewhere(url: str, server: Pegasus) -> bool:
    """Whether an address isn't that server's; a blob is what a page of its has made itself."""
    return not url.removeprefix("blob:").startswith(server.url)


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: "Browser") -> Iterator[OpenPage]:
    """A function that opens the page, in a browser that knows nothing yet unless a context is named.

    Whatever a test does, no page may have broken its policy, thrown an error or asked another site for anything.
    """
    contexts: list[BrowserContext] = []
    wrong: list[str] = []

    def watched(server: Pegasus, **options: Any) -> "BrowserContext":
        context = browser.new_context(**({"viewport": {"width": 1280, "height": 900}} | options))
        context.expose_function("cspReport", lambda report: wrong.append(report))  # noqa: PLW0108 - no builtin will do
        context.add_init_script(WATCH)
        context.on("weberror", lambda error: wrong.append(str(error.error)))
        contexts.append(context)
        return context

    def open_page(
        server: Pegasus, path: str = "/", *, context: "BrowserContext | None" = None, **options: Any
    ) -> "Page":
        page = (context or watched(server, **options)).new_page()
        page.on("request", lambda sent: wrong.append(sent.url) if is_elsewhere(sent.url, server) else None)
        page.goto(server.url + path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []
