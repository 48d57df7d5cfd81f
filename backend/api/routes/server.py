"""/api/server and /api/usage: what settings pages show, for admins and for each user."""

import asyncio

from fastapi import APIRouter, Request
from sqlalchemy import text

from api.guards.credentials import AuthenticatedCaller, UnrestrictedCaller
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import UsageOwner
from api.schemas import PROBLEM_RESPONSES
from api.server_info import DatabaseInfo, OwnUsage, QuotaLimits, ServerInfo, ServerUsage
from api.services import CurrentServices, Services
from audio.library.usage import total_usage, usage_of
from core.errors import DatabaseBusy
from core.labels import user_label

router = APIRouter(prefix="/api", tags=["server"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES)
_BOUNDED = text("SET LOCAL statement_timeout = '2s'")  # of millions of recordings the sum takes seconds


@router.get("/server", operation_id="get_server")
async def server(request: Request, services: CurrentServices, _caller: UnrestrictedCaller) -> ServerInfo:
    """Describes the server: version, database, storage, engines, last heals. Where tokens are needed, to an admin."""
    configuration = services.configuration
    usage, history = await asyncio.gather(_server_usage(services), configuration.read_history())
    return ServerInfo(
        version=request.app.version,
        database=DatabaseInfo(kind=configuration.database, chains=None if history is None else history.chains),
        storage=configuration.storage,
        usage=usage,
        quota=QuotaLimits.of(configuration.quota),
        engines=configuration.engines,
        heals=None if history is None else history.heals,
    )


async def _server_usage(services: Services) -> ServerUsage | None:
    try:
        async with services.recordings.sessions() as session:
            await session.execute(_BOUNDED)
            return ServerUsage.model_validate(await total_usage(session))
    except DatabaseBusy:
        return None


@router.get("/usage", operation_id="get_usage")
async def usage(services: CurrentServices, caller: AuthenticatedCaller, user_id: UsageOwner = None) -> OwnUsage:
    """Says how much the caller has stored, and how much they may: of the user that an upload would belong to."""
    async with services.recordings.sessions() as session:
        stored = await usage_of(session, caller.new_owner(user_label(user_id)))
    return OwnUsage.of_user(stored, services.configuration.quota)
