"""Origin: which request something comes from, so that what is done for it later can say so."""

from dataclasses import asdict, dataclass
from typing import Any

import structlog

from core.observability.tracing import traceparent


@dataclass(frozen=True, kw_only=True)
class TraceContext:
    """The id of a request, as its lines in the log bear it, and its span, where there is tracing."""

    request_id: str | None = None
    traceparent: str | None = None

    @classmethod
    def here(cls) -> "TraceContext":
        """That of the request that is being answered where this is called."""
        return cls(request_id=structlog.contextvars.get_contextvars().get("request_id"), traceparent=traceparent())

    @classmethod
    def of(cls, kept: dict[str, Any]) -> "TraceContext":
        """The one that was kept by these names."""
        return cls(request_id=kept.get("request_id"), traceparent=kept.get("traceparent"))

    def named(self) -> dict[str, str]:
        """What is known of it, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


UNKNOWN = TraceContext()
