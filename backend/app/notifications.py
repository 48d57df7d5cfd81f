"""What goes on beside the requests: listening to the database, and telling what happens to recordings."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import SecretStr

from audio.events import announcements, webhook_settings
from audio.events.event_log import EventLog
from audio.events.feed import Feed
from audio.events.webhook_endpoint import Endpoint
from audio.search.index import SearchIndex
from core.background import running
from core.database.engine import Sessions, migration_address
from core.database.listener import NotificationListener
from core.settings import Settings

if TYPE_CHECKING:
    from audio.events.webhooks import Webhooks


@dataclass(frozen=True, kw_only=True)
class Notifications:
    """What has happened, what happens, and what is found."""

    events: EventLog
    feed: Feed
    index: SearchIndex


@dataclass(frozen=True, kw_only=True)
class WebhookTargets:
    """Where webhooks go, and the key that signs them; without an address there is no key."""

    endpoints: Sequence[Endpoint] = ()
    secret: bytes = b""


def webhook_targets(settings: Settings) -> WebhookTargets:
    """What WEBHOOK_URLS and WEBHOOK_SECRET say. Raises SettingRefused."""
    urls, secret = _plain(settings.webhook_urls), _plain(settings.webhook_secret)
    endpoints = webhook_settings.endpoints(urls, allow_private=settings.webhook_allow_private)
    if urls is None and secret is None:
        return WebhookTargets()
    return WebhookTargets(endpoints=endpoints, secret=webhook_settings.secret(secret))


@asynccontextmanager
async def notifications(
    settings: Settings, *, sessions: Sessions, webhooks: WebhookTargets
) -> AsyncIterator[Notifications]:
    """Events, search index and webhooks, kept up for as long as the block lasts. Raises DatabaseProblem."""
    async with _webhooks(settings, sessions=sessions, targets=webhooks) as hooks:
        index = SearchIndex(sessions=sessions)
        events = EventLog(sessions=sessions, followers=(index,) if hooks is None else (index, hooks))
        feed = Feed(events)
        await feed.start()
        address = await asyncio.to_thread(migration_address, settings)  # a pooler wouldn't let it listen
        listener = NotificationListener(address)
        listener.add_listener(announcements.CHANNEL, feed.wake)
        work = {"feed": feed.run(), "index": index.run()}
        if hooks is not None:
            listener.add_listener(hooks.channel, hooks.wake)
            work["webhooks"] = hooks.run()
        async with running(listener=listener.run(), **work):
            yield Notifications(events=events, feed=feed, index=index)


@asynccontextmanager
async def _webhooks(
    settings: Settings, *, sessions: Sessions, targets: WebhookTargets
) -> AsyncIterator["Webhooks | None"]:
    """What sends webhooks, where there are addresses to send them to."""
    if not targets.endpoints:
        yield None
        return
    from audio.events.webhooks import Webhooks  # noqa: PLC0415 - with an HTTP client, which nothing else needs
    from core.outbound_http import OutboundHttp  # noqa: PLC0415

    outbound = OutboundHttp(allow_private=settings.webhook_allow_private)
    try:
        yield Webhooks(sessions=sessions, outbound=outbound, endpoints=targets.endpoints, secret=targets.secret)
    finally:
        await outbound.close()


def _plain(hidden: SecretStr | None) -> str | None:
    return None if hidden is None else hidden.get_secret_value()
