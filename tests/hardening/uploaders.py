"""Clients that upload one recording after the other, whatever happens to the server, and remember what it promised."""

import asyncio
import base64
import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import httpx

from tests.audio.samples import recording

HEAD = recording("wav")[:4096]
TUS = {"Tus-Resumable": "1.0.0"}
BYTES = TUS | {"Content-Type": "application/offset+octet-stream"}
DRAFT = {"Upload-Draft-Interop-Version": "10"}
PARTIAL = DRAFT | {"Content-Type": "application/partial-upload"}
AGAIN_SECONDS = 0.2
MENDED_BY_A_RETRY = {423, 502, 503, 504}  # of a proxy, or of a server that is another's neighbour


@dataclass
class Promises:
    """What the server has said is there: the digest of each recording by its id, and how often a file name may be."""

    digests: dict[str, str] = field(default_factory=dict)
    offsets: dict[str, int] = field(default_factory=dict)  # by address, of uploads that aren't complete
    once: set[str] = field(default_factory=set)
    at_most_once: set[str] = field(default_factory=set)
    resumed: int = 0
    broken_off: int = 0

    def note(self, recording_id: str, content: bytes) -> None:
        """A recording was promised."""
        self.digests[recording_id] = hashlib.sha256(content).hexdigest()


class Uploader:
    """One client; its uploads bear names that nobody else's do."""

    def __init__(
        self,
        number: int,
        client: httpx.AsyncClient,
        promises: Promises,
        *,
        rest_seconds: float = 0,
        by_draft_alone: bool = False,
    ) -> None:
        self._number = number
        self._client = client
        self._promises = promises
        self._rest_seconds = rest_seconds
        self._by_draft_alone = by_draft_alone
        self._chance = random.Random(number)
        self._uploads = 0

    async def work(self, ended: asyncio.Event) -> None:
        """Uploads until it is told to end; what is under way then is finished."""
        ways: list[Callable[[str, bytes], Awaitable[None]]] = [self._by_draft]
        if not self._by_draft_alone:
            ways += [self._by_form, self._by_form_with_key, self._by_tus]
        while not ended.is_set():
            self._uploads += 1
            name = f"memo-{self._number}-{self._uploads}.wav"
            content = HEAD + self._chance.randbytes(self._chance.choice([1000, 60_000, 300_000, 900_000]))
            await ways[(self._number + self._uploads) % len(ways)](name, content)
            await asyncio.sleep(self._rest_seconds)

    async def _by_form(self, name: str, content: bytes) -> None:
        """Sent once: when its answer is lost, the recording may be there or not."""
        self._promises.at_most_once.add(name)
        try:
            answer = await self._client.post("/api/audio/upload", files={"file": (name, content)})
        except httpx.TransportError:
            self._promises.broken_off += 1
            await asyncio.sleep(AGAIN_SECONDS)
            return
        self._take(answer, name, content)

    async def _by_form_with_key(self, name: str, content: bytes) -> None:
        """Sent until there is an answer, under one key."""
        files, headers = {"file": (name, content)}, {"Idempotency-Key": name}
        answer = await self._insist(lambda: self._client.post("/api/audio/upload", files=files, headers=headers))
        self._take(answer, name, content)

    async def _by_tus(self, name: str, content: bytes) -> None:
        """Goes on from where the server says; what it has once said is there has to stay there."""
        begun = await self._begin(name, len(content))
        offset, promised, pieces = 0, 0, self._chance.choice([1, 3])
        while True:
            piece = content[offset : offset + len(content) // pieces + 1]
            try:
                answer = await self._client.patch(begun, content=piece, headers=BYTES | {"Upload-Offset": str(offset)})
            except httpx.TransportError:
                self._promises.broken_off += 1
                answer = await self._insist(lambda: self._client.head(begun, headers=TUS))
                self._promises.resumed += 1
            assert answer.status_code in {200, 204}, answer.text
            offset = int(answer.headers["upload-offset"])
            assert offset >= promised, f"{name}: {promised} bytes were promised, {offset} are there"
            promised = self._promises.offsets[begun] = offset
            if "upload-recording-id" in answer.headers:
                del self._promises.offsets[begun]
                self._promises.once.add(name)
                self._promises.note(answer.headers["upload-recording-id"], content)
                return

    async def _by_draft(self, name: str, content: bytes) -> None:
        """Sends all at once, as a phone does: with an interim response it goes on, without one it gives up."""
        address, answer = await self._create(name, content)
        if address is None:
            self._promises.at_most_once.add(name)
            await asyncio.sleep(AGAIN_SECONDS)
            return
        promised = 0
        while answer is None or answer.headers["upload-complete"] == "?0":
            self._promises.broken_off += answer is None
            state = await self._insist(lambda: self._client.head(address, headers=DRAFT))
            self._promises.resumed += 1
            assert state.status_code == 204, state.text
            offset = int(state.headers["upload-offset"])
            assert offset >= promised, f"{name}: {promised} bytes were promised, {offset} are there"
            promised = self._promises.offsets[address] = offset
            if state.headers["upload-complete"] == "?1":
                answer = state
                break
            answer = await self._append(address, offset, content)
        self._promises.offsets.pop(address, None)
        self._promises.once.add(name)
        self._promises.note(answer.headers["upload-recording-id"], content)

    async def _append(self, address: str, offset: int, content: bytes) -> httpx.Response | None:
        """Sends the rest, or a part of it; None where the connection broke."""
        stop = self._chance.choice([len(content), min(len(content), offset + 200_000)])
        fields = {"Upload-Offset": str(offset), "Upload-Complete": "?1" if stop == len(content) else "?0"}
        try:
            answer = await self._client.patch(address, content=content[offset:stop], headers=PARTIAL | fields)
        except httpx.TransportError:
            return None
        assert answer.status_code in {200, 204}, answer.text
        return answer

    async def _create(self, name: str, content: bytes) -> tuple[str | None, httpx.Response | None]:
        """The upload's address, once it was announced, and the final response, if it came. httpx shows no 1xx."""
        url, address, final = self._client.base_url, None, None
        head = f"POST /api/audio/upload?filename={name} HTTP/1.1\r\nHost: {url.netloc.decode()}\r\n"
        fields = DRAFT | {"Upload-Complete": "?1", "Content-Length": str(len(content)), "Connection": "close"}
        fields |= {"Content-Type": "audio/wav"}
        if token := self._client.headers.get("authorization"):
            fields["Authorization"] = token
        head += "".join(f"{field}: {value}\r\n" for field, value in fields.items())
        with suppress(OSError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection(url.host, url.port)
            try:
                sending = asyncio.create_task(_send(writer, f"{head}\r\n".encode(), content))
                while final is None:
                    status, headers = _parsed(await reader.readuntil(b"\r\n\r\n"))
                    if status in MENDED_BY_A_RETRY:
                        break
                    address = headers.get("location", address)
                    assert status in {104, 200}, (status, headers)
                    final = None if status == 104 else httpx.Response(status, headers=headers)
            finally:
                writer.transport.abort()
                await asyncio.wait([sending])
        return address, final

    async def _begin(self, name: str, length: int) -> str:
        encoded = base64.b64encode(name.encode()).decode()
        headers = TUS | {"Upload-Length": str(length), "Upload-Metadata": f"filename {encoded}"}
        answer = await self._insist(lambda: self._client.post("/api/uploads", headers=headers))
        assert answer.status_code == 201, answer.text
        return httpx.URL(answer.headers["location"]).path

    async def _insist(self, ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
        while True:
            try:
                return await ask()
            except httpx.TransportError:
                self._promises.broken_off += 1
                await asyncio.sleep(AGAIN_SECONDS)

    def _take(self, answer: httpx.Response, name: str, content: bytes) -> None:
        assert answer.status_code == 200, answer.text
        self._promises.once.add(name)
        self._promises.note(answer.json()["id"], content)


async def _send(writer: asyncio.StreamWriter, *parts: bytes) -> None:
    with suppress(OSError):
        for part in parts:
            writer.write(part)
            await writer.drain()


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    """The status and the fields of a response's head."""
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    return int(first.split()[1]), {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
