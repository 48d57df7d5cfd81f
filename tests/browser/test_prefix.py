"""The page below a path of a site that has others, behind a proxy that takes the prefix away."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import aiohttp
from aiohttp import web
from playwright.sync_api import expect

from tests.browser.conftest import OpenPage, Pegasus
from tests.browser.steps import chosen, open_recording, put, upload

PREFIX = "/audio-archive"


@contextmanager
def proxy(server: Pegasus, *, newer: threading.Event | None = None) -> Iterator[Pegasus]:
    """A reverse proxy, and what it serves below PREFIX as if it were the server's own address.

    Once `newer` is set, the page is one that has another title.
    """

    async def forward(request: web.Request) -> web.StreamResponse:
        url, content = server.url + request.raw_path.removeprefix(PREFIX), await request.read()
        if newer and newer.is_set() and request.path == f"{PREFIX}/":
            return await renewed(url)
        async with session[0].request(request.method, url, headers=request.headers, data=content or None) as got:
            answer = web.StreamResponse(status=got.status, headers=got.headers)
            await answer.prepare(request)
            with suppress(ConnectionError, aiohttp.ClientError):
                async for piece in got.content.iter_any():
                    await answer.write(piece)
            return answer

    async def renewed(url: str) -> web.Response:
        async with session[0].get(url) as got:
            html = (await got.text()).replace("<title>Pegasus", "<title>Newer")
            policy = {"Content-Security-Policy": got.headers["Content-Security-Policy"]}
            return web.Response(text=html, content_type="text/html", headers=policy)

    async def serve() -> None:
        application = web.Application(client_max_size=1024**3)
        application.router.add_route("*", PREFIX + "/{path:.*}", forward)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        session.append(aiohttp.ClientSession(auto_decompress=False))
        ports.append(runner.addresses[0][1])
        ready.set()
        while not done.is_set():
            await asyncio.sleep(0.1)
        await session[0].close()
        await runner.cleanup()

    ports: list[int] = []
    session: list[aiohttp.ClientSession] = []
    ready, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    yield Pegasus(server.folder, server.database, server.environment, port=ports[0])
    done.set()
    thread.join()


def test_the_page_works_below_a_prefix(pegasus: Pegasus, open_page: OpenPage) -> None:
    """It loads, lists, plays, uploads and follows events where it is served below a path."""
    put(pegasus, "first.wav", tag="Work")
    with proxy(pegasus) as proxied:
        page = open_page(proxied, f"{PREFIX}/")
        open_recording(page, "first.wav")
        expect(page.locator("#saves a").first).to_have_attribute(
            "href", f"{proxied.url}{PREFIX}/api/audio/{only(pegasus)}/download"
        )
        expect(page).to_have_url(f"{proxied.url}{PREFIX}/r/{only(pegasus)}")
        page.reload()
        expect(page.locator("#player-name")).to_have_text("first.wav")
        page.go_back()
        expect(page).to_have_url(f"{proxied.url}{PREFIX}/")
        page.set_input_files("input[type=file]", [chosen("second.wav")])
        expect(page.locator("#list .row")).to_have_count(2)
        page.get_by_role("button", name="Dismiss second.wav").click()
        expect(upload(page, "second.wav")).to_have_count(0)
        put(pegasus, "third.wav")
        expect(page.locator("#list .row")).to_have_count(3)
        page.context.close()


def only(pegasus: Pegasus) -> str:
    """The id of the only recording."""
    [(found,)] = pegasus.sql("SELECT id FROM audio_files")
    return str(found)
