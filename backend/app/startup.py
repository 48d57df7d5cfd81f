"""What has to be there before the first request: the database, its schema, the storage, and settings that can work."""

import asyncio
from dataclasses import dataclass

from access.static_tokens import StaticTokens, static_tokens
from app.notifications import WebhookTargets, webhook_targets
from app.schema_healing import bring_up_to_date
from app.storage_factory import prepare_storage
from core.database.engine import database_address
from core.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What a server or a worker of these settings starts from.

    With MIGRATIONS=off nobody here compared the schema with what this code needs: `schema_verified` is False then.
    """

    settings: Settings
    address: str
    schema_verified: bool
    static_tokens: StaticTokens
    webhooks: WebhookTargets


async def prepare(settings: Settings) -> Prepared:
    """Makes everything ready; doing it again changes nothing. Raises PegasusError."""
    address = await asyncio.to_thread(database_address, settings)
    # Before anything is changed: what these refuse ends the start.
    secrets = settings.auth_tokens.get_secret_value() if settings.auth_tokens is not None else None
    tokens = static_tokens(secrets, file=settings.auth_tokens_file)
    webhooks = webhook_targets(settings)
    reports = await bring_up_to_date(settings)
    await prepare_storage(settings)
    return Prepared(
        settings=settings,
        address=address,
        schema_verified=bool(reports),
        static_tokens=tokens,
        webhooks=webhooks,
    )
