"""Interim responses (RFC 9110, 15.2) to a request. ASGI has no message for them, so they go past it."""

from collections.abc import Mapping

from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

EXTENSION = "pegasus.interim_responses"


class InterimResponses:
    """Sends interim responses to one request; to be used in the event loop."""

    def __init__(self, request: RequestResponseCycle) -> None:
        self._request = request

    @property
    def can_send(self) -> bool:
        """Whether one can still arrive: HTTP/1.0 has none (RFC 9110, 15.2), and none follows the final response."""
        request = self._request
        is_open = not (request.disconnected or request.response_started or request.transport.is_closing())
        return is_open and request.scope["http_version"] == "1.1"

    def send(self, status: int, reason: str, headers: Mapping[str, str]) -> None:
        """Sends one, if it can."""
        if self.can_send:
            fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            self._request.transport.write(f"HTTP/1.1 {status} {reason}\r\n{fields}\r\n".encode("latin-1"))


def interim_responses(scope: Scope) -> InterimResponses | None:
    """Those of a request, where the server and its HTTP version have any."""
    responses: InterimResponses | None = scope.get("extensions", {}).get(EXTENSION, {}).get("responses")
    return responses if responses is not None and responses.can_send else None
