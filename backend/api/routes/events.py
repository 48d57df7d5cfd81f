"""/api/audio/events: changes of recordings, as server-sent events."""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.guards.credentials import AuthenticatedCaller, address_of, request_secret
from api.guards.query_parameters import KNOWN_PARAMETERS_ALONE
from api.parameters import LastEventId, UserFilter
from api.protocols.event_stream import EventStream, resume_position
from api.schemas import PROBLEM_RESPONSES
from api.services import CurrentServices
from core.labels import user_label

router = APIRouter(
    prefix="/api/audio", tags=["audio"], dependencies=[KNOWN_PARAMETERS_ALONE], responses=PROBLEM_RESPONSES
)
EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "retry": {"type": "integer"},
    },
}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": EVENT}}, "description": "Server-sent events, each as described"}
}


@router.get("/events", operation_id="events", response_class=Response, responses=RESPONSES)
async def events(
    request: Request,
    services: CurrentServices,
    caller: AuthenticatedCaller,
    last_event_id: LastEventId = None,
    user_id: UserFilter = None,
) -> Response:
    """Tells each change of a recording, as server-sent events: created, examined,
    progressed, relabelled, deleted.

    With `Last-Event-ID`, as browsers send it by themselves, it begins with what came after that. The event `reset`
    says that some of it isn't kept any more: then lists have to be loaded anew.
    """
    owner = caller.owner_filter(user_label(user_id))
    address = address_of(request)
    key = caller.rate_limit_key(address)
    secret, authenticator = request_secret(request.headers), services.authenticator

    async def authenticate() -> None:
        await authenticator.authenticate(secret, address=address)

    number, lost = await resume_position(services.feed, last_event_id)
    return EventStream(
        services.feed,
        number=number,
        lost=lost,
        owner=owner,
        authenticate=authenticate,
        stopping=services.stopping,
        counted=services.streams.opened(key),
    )
