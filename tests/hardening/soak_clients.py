"""What comes at a server in a soak: clients that read what was promised, and attackers that do what they can."""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

from tests.api.uploads.test_serving import FILE_HEAD, WAV, Wire, wire
from tests.hardening.odd_requests import PLACES, Headers
from tests.hardening.test_odd_input import described, status_of
from tests.hardening.test_sent_ahead import GARBAGE, GET
from tests.hardening.test_unbounded_input import ENDLESS, MIB, flood
from tests.hardening.uploaders import Promises
from tests.scale.test_replicas import client_of

AGAIN_SECONDS = 0.3
SECONDS = 30
IDLE, IDLE_SECONDS = 250, 2
BROKEN = (OSError, EOFError, TimeoutError)  # as a killed server and one that is full end a connection
Attack: TypeAlias = Callable[[str], Awaitable[None]]


class Downloader:
    """Reads promised recordings, whole and in part, and compares each with its digest."""

    def __init__(self, client: httpx.AsyncClient, promises: Promises) -> None:
        self._client = client
        self._promises = promises
        self.compared = 0

    async def work(self, ended: asyncio.Event) -> None:
        """Reads until it is told to end."""
        chance = random.Random(1)
        while not ended.is_set():
            await asyncio.sleep(AGAIN_SECONDS)
            if self._promises.digests:
                with suppress(httpx.TransportError):
                    await self._compare(*chance.choice([*self._promises.digests.items()]), start=chance.randrange(900))

    async def _compare(self, recording_id: str, digest: str, *, start: int) -> None:
        path = f"/api/audio/{recording_id}/download"
        whole = await self._client.get(path)
        part = await self._client.get(path, headers={"Range": f"bytes={start}-"})
        assert (whole.status_code, part.status_code) == (200, 206)
        assert hashlib.sha256(whole.content).hexdigest() == digest
        assert part.content == whole.content[start:]
        self.compared += 1


class Listener:
    """Hears what happens to recordings; where a stream ends it goes on behind the last event that it has heard."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._last: str | None = None
        self.heard = list[tuple[int, str, str]]()
        self.streams = 0

    async def work(self, ended: asyncio.Event) -> None:
        """Listens until it is told to end."""
        while not ended.is_set():
            headers = {} if self._last is None else {"Last-Event-ID": self._last}
            with suppress(httpx.TransportError):
                async with self._client.stream("GET", "/api/audio/events", headers=headers) as answer:
                    assert answer.status_code == 200
                    self.streams += 1
                    await self._read(answer, ended)
            await asyncio.sleep(AGAIN_SECONDS)

    async def _read(self, answer: httpx.Response, ended: asyncio.Event) -> None:
        change = ""
        async for line in answer.aiter_lines():
            name, _, text = line.partition(": ")
            if name == "id":
                self._last = text
            elif name == "event":
                change = text
            elif name == "data":
                assert change != "reset", "what a listener asks for is kept for days"
                self.heard.append((int(self._last or 0), json.loads(text)["id"], change))
            if ended.is_set():
                return


@dataclass
class Attackers:
    """Clients that mean no good; `statuses` are those of the answers to what they ask oddly."""

    urls: list[str]
    token: Headers
    statuses: Counter[int] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)

    async def work(self, ended: asyncio.Event) -> None:
        """Attacks one of the servers after the other in every way, until it is told to end."""
        attacks: list[Attack] = [self._odd, self._flood, self._odd, self._linger, self._odd, self._send_ahead]
        attacks += [self._odd, self._leave, self._odd, self._fill]
        self._endless = cycle(ENDLESS.values())
        for attack, url in zip(cycle(attacks), cycle([*self.urls, self.urls[0]])):
            if ended.is_set():
                return
            with suppress(*BROKEN, httpx.TransportError):
                await attack(url)
                self.counts[attack.__name__.strip("_")] += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def _odd(self, url: str) -> None:
        """Odd requests, about what is there."""
        place = PLACES[self.counts["odd"] % len(PLACES)]
        some = random.Random(self.counts["odd"])
        async with client_of(url) as client:
            requests = place(await described(client, self.token))
        for sent in (one for one in requests if some.random() < 1 / 40):
            self.statuses[await status_of(url, sent)] += 1

    async def _flood(self, url: str) -> None:
        """What has no end."""
        start, repeated, _, _ = next(self._endless)
        parts = urlsplit(url)
        address = (parts.hostname or "", parts.port or 0)
        await asyncio.to_thread(lambda: [*flood(address, start, repeated, size_bytes=8 * MIB)])

    async def _linger(self, url: str) -> None:
        """Half heads, half bodies and half-closed connections, which are left."""
        for sent in (b"", GET, b"POST /api/session HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"):
            async with wire(url) as client:
                await client.send(sent)
                client.writer.write_eof()
                await self._note(client)

    async def _send_ahead(self, url: str) -> None:
        """Garbage and too much behind good requests."""
        for behind in (*GARBAGE.values(), (GET + b"\r\n") * 1000):
            async with wire(url) as client:
                client.writer.write((GET + b"\r\n") * 2 + behind)
                await self._note(client)

    async def _leave(self, url: str) -> None:
        """Streams of events, and uploads, that are broken off."""
        token = b"".join(b"%b: %b\r\n" % header for header in self.token)
        for path in (b"GET /api/audio/events", b"POST /api/audio/upload"):
            form = b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 900000\r\n"
            more = form if path.startswith(b"POST") else b""
            async with AsyncExitStack() as stack:
                for _ in range(10):
                    client = await stack.enter_async_context(wire(url))
                    await client.send(path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + token + more + b"\r\n")
                    await client.send((FILE_HEAD + WAV + bytes(300_000)) * bool(more))

    async def _fill(self, url: str) -> None:
        """More connections than there may be, all silent."""
        async with AsyncExitStack() as stack:
            for _ in range(IDLE):
                await stack.enter_async_context(wire(url))
            await asyncio.sleep(IDLE_SECONDS)

    async def _note(self, client: Wire) -> None:
        async with asyncio.timeout(SECONDS):
            for status, _, _ in await client.answers():
                self.statuses[status] += 1
