"""Webhooks: signed, sent again until they are taken, and never to where they mayn't go."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.application import create_app
from app.notifications import webhook_targets
from audio.model.audio_file import ProcessingStatus
from core.errors import SettingRefused
from core.outbound_http import AddressRefused, NotReached, OutboundHttp
from core.public_addresses import is_public
from core.settings import Settings, load_settings
from tests.api.conftest import Started
from tests.api.events.test_events import progress
from tests.audio.samples import recording
from tests.conftest import RunSql

KEY = b"k" * 32
NO_ROOM = """
    CREATE FUNCTION pegasus_system.no_room() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE disk_full; END $$
"""
NO_ROOM_FOR_DELIVERIES = """
    CREATE TRIGGER no_room BEFORE INSERT ON pegasus_system.deliveries EXECUTE FUNCTION pegasus_system.no_room()
"""
SECRET = "whsec_" + base64.b64encode(KEY).decode()


@dataclass
class Receiver:
    """A server that answers with what it is told to, and keeps what it got."""

    answers: list[bytes]
    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Takes one request."""
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines) if value}
        self.got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        answer = self.answers.pop(0) if self.answers else b"204 No Content"
        writer.write(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def until(self, count: int) -> None:
        """Waits until it has got so many."""
        while len(self.got) < count:
            await asyncio.sleep(0.01)


@asynccontextmanager
async def receiving(*answers: bytes) -> AsyncIterator[Receiver]:
    """A receiver on loopback."""
    receiver = Receiver(list(answers))
    async with await asyncio.start_server(receiver.take, "127.0.0.1", 0) as server:
        receiver.url = f"http://localhost:{server.sockets[0].getsockname()[1]}/hook?token=hush"
        yield receiver


@asynccontextmanager
async def notifications(settings: Settings, url: str, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    """The application, that tells a receiver."""
    own = {"webhook_urls": url, "webhook_secret": SECRET, "webhook_allow_private": True} | changed
    app = create_app(Settings(**settings.model_dump() | own))
    async with app.router.lifespan_context(app) as state:
        transport = httpx.ASGITransport(app=Started(app, dict(state or {})))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client


async def upload(client: httpx.AsyncClient) -> str:
    answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))}, data={"tag": "Ä"})
    return str(answer.json()["id"])


async def test_the_ends_are_told_signed(settings: Settings, engine: AsyncEngine, run_sql: RunSql) -> None:
    """Completed and failed are told once each, with a signature that a receiver can check, and nothing stays behind."""
    async with receiving() as receiver, notifications(settings, receiver.url) as client:
        one = await upload(client)
        for status in (ProcessingStatus.TRANSCRIBING, ProcessingStatus.COMPLETED):
            await progress(engine, one, status)
        await client.put(f"/api/audio/{one}/tags", json={"category": "Call"})
        other = await upload(client)
        await progress(engine, other, ProcessingStatus.FAILED)
        await receiver.until(2)
        while await run_sql("SELECT FROM pegasus_system.deliveries"):
            await asyncio.sleep(0.01)
    told = [json.loads(body) for _, body in receiver.got]
    assert {(one["type"], one["data"]["id"]) for one in told} == {
        ("recording.completed", one),
        ("recording.failed", other),
    }
    assert {one["data"]["tag"] for one in told} == {"Ä"}
    for headers, body in receiver.got:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(KEY, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
        assert headers["content-type"] == "application/json"


async def test_it_is_sent_until_it_is_taken(
    settings: Settings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What isn't taken is sent again under the same id, a restart in between or not; no redirect is followed."""
    monkeypatch.setattr("audio.events.webhooks.PAUSES", (0.05,) * 5)
    # Short, since the first may be stopped before it notes the answer.
    monkeypatch.setattr("audio.events.webhook_deliveries.LEASE_SECONDS", 0.5)
    elsewhere = b"302 Found\r\nLocation: http://127.0.0.1:9/"
    async with receiving(b"500 Internal Server Error", elsewhere) as receiver:
        async with notifications(settings, receiver.url) as client:
            await progress(engine, await upload(client), ProcessingStatus.COMPLETED)
            await receiver.until(1)
        async with notifications(settings, receiver.url):
            await receiver.until(3)
            while "webhook delivered" not in (said := capsys.readouterr().out):
                await asyncio.sleep(0.05)
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    assert "hush" not in said


async def test_it_is_given_up_in_the_end(
    settings: Settings, engine: AsyncEngine, run_sql: RunSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the last attempt nothing is kept, and the log has said so; who answers 410 isn't asked again at all."""
    monkeypatch.setattr("audio.events.webhooks.PAUSES", (0.01,) * 2)
    answers = [*[b"503 Service Unavailable"] * 3, b"410 Gone"]
    async with receiving(*answers) as receiver, notifications(settings, receiver.url) as client:
        for status, tries in ((ProcessingStatus.COMPLETED, 3), (ProcessingStatus.FAILED, 4)):
            await progress(engine, await upload(client), status)
            await receiver.until(tries)
            while await run_sql("SELECT FROM pegasus_system.deliveries"):
                await asyncio.sleep(0.01)
    assert len(receiver.got) == 4


async def test_what_breaks_webhooks_holds_up_no_event(settings: Settings, engine: AsyncEngine, run_sql: RunSql) -> None:
    """While deliveries can't be entered, changes become events all the same; once they can, webhooks go on."""
    rename = "ALTER TABLE pegasus_system.{} RENAME TO {}"
    async with receiving() as receiver, notifications(settings, receiver.url) as client:
        one, other = await upload(client), await upload(client)
        await run_sql(rename.format("deliveries", "elsewhere"))
        await progress(engine, one, ProcessingStatus.COMPLETED)
        while not await run_sql("SELECT FROM pegasus_system.events WHERE change = 'progressed'"):
            await asyncio.sleep(0.05)
        await run_sql(rename.format("elsewhere", "deliveries"))
        await progress(engine, other, ProcessingStatus.COMPLETED)
        await receiver.until(1)
        found = (await client.get("/api/audio", params={"q": "memo"})).json()["items"]
    assert {item["id"] for item in found} == {one, other}
    assert [json.loads(body)["data"]["id"] for _, body in receiver.got] == [other]


async def test_what_passes_loses_no_webhook(
    settings: Settings,
    engine: AsyncEngine,
    run_sql: RunSql,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that is full while a delivery is to be entered puts it off; once there is room it is sent."""
    monkeypatch.setattr("core.observability.logging.FAILURE_SECONDS", 0)  # whatever failed for another test
    async with receiving() as receiver, notifications(settings, receiver.url) as client:
        recording_id = await upload(client)
        await run_sql(NO_ROOM)
        await run_sql(NO_ROOM_FOR_DELIVERIES)
        await progress(engine, recording_id, ProcessingStatus.COMPLETED)
        while "no news for now" not in capsys.readouterr().out:
            await asyncio.sleep(0.05)
        await run_sql("DROP FUNCTION pegasus_system.no_room() CASCADE")
        await receiver.until(1)
    assert [json.loads(body)["data"]["id"] for _, body in receiver.got] == [recording_id]


async def test_no_private_address_is_reached() -> None:
    """A name that leads to this machine isn't connected to unless that is allowed, whatever is found behind it."""
    async with receiving() as receiver:
        closed, opened = OutboundHttp(allow_private=False), OutboundHttp(allow_private=True)
        for host in ("localhost", "127.0.0.1", "[::1]", "2130706433", "0", "[::ffff:127.0.0.1]"):
            with pytest.raises(NotReached) as refused:
                await closed.post(receiver.url.replace("localhost", host), b"", headers={"Host": "a"})
            assert isinstance(refused.value, AddressRefused), host
        assert receiver.got == []
        headers = {"Host": "a", "Content-Length": "0"}
        assert await opened.post(receiver.url, b"", headers=headers) == 204
        for outbound in (closed, opened):
            await outbound.close()


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("9.9.9.9", True),
        ("2620:fe::fe", True),
        *((address, True) for address in ("64:ff9b::909:909", "::ffff:9.9.9.9", "2001:200::1", "192.0.1.1")),
        *((address, False) for address in ("192.0.0.8", "192.0.0.9", "192.0.0.171", "192.88.99.1", "198.18.0.1")),
        *((address, False) for address in ("198.51.100.1", "203.0.113.1", "127.8.9.1", "233.252.0.1", "0.1.2.3")),
        *((address, False) for address in ("100::1", "100:0:0:1::1", "3fff::1", "5f00::1", "4000::1", "200::1")),
        *((address, False) for address in ("2001::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:1::1")),
        *((address, False) for address in ("2002:909:909::", "::9.9.9.9", "::ffff:0:10.0.0.1", "fec0::1", "::2")),
        *((address, False) for address in ("64:ff9b::c058:6301", "64:ff9b:1:ffff::1", "fd12::1", "fe00::1", "e000::1")),
        *((address, False) for address in ("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1")),
        *((address, False) for address in ("0.0.0.0", "224.0.0.1", "255.255.255.255", "240.0.0.1", "::", "::1")),
        *((address, False) for address in ("fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "2002:a00:1::")),
        *((address, False) for address in ("64:ff9b::7f00:1", "64:ff9b:1::1", "2001:db8::1", "192.0.2.1", "fec0::1")),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:  # noqa: FBT001
    """Private, local, link-local, reserved and multicast addresses aren't public, in no disguise."""
    assert is_public(address) == public


@pytest.mark.parametrize(
    ("setting", "values"),
    [
        ("WEBHOOK_URLS", {"webhook_urls": "ftp://hush.example/"}),
        ("WEBHOOK_URLS", {"webhook_urls": "https://"}),
        ("WEBHOOK_URLS", {"webhook_urls": "https://a:hush@example.com/"}),
        ("WEBHOOK_URLS", {"webhook_urls": "https://example.com:99999/hush"}),
        ("WEBHOOK_URLS", {"webhook_urls": "http://example.com/hush"}),
        ("WEBHOOK_URLS", {"webhook_urls": "https://example.com/, https://10.0.0.1/hush"}),
        ("WEBHOOK_SECRET", {"webhook_urls": "https://example.com/"}),
        ("WEBHOOK_SECRET", {"webhook_urls": "https://example.com/", "webhook_secret": "hush"}),
        ("WEBHOOK_SECRET", {"webhook_urls": "https://example.com/", "webhook_secret": "whsec_aHVzaA=="}),
    ],
)
def test_impossible_settings(setting: str, values: dict[str, str]) -> None:
    """What can't be sent to, or isn't a key, is refused by the setting's name and without its value."""
    settings = load_settings(None, **values)
    with pytest.raises(SettingRefused) as refused:
        webhook_targets(settings)
    assert refused.value.setting == setting
    assert "hush" not in str(refused.value)
