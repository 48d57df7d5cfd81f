"""The trace context: the request that work comes from, for jobs and log lines that follow it later."""

from dataclasses import dataclass
from typing import Any

import structlog

from core.observability.tracing import traceparent


@dataclass(frozen=True, kw_only=True)
class TraceContext:
    """A request's id, as in its log lines, and its span (W3C Trace Context) where there is tracing."""

    request_id: str | None = None
    traceparent: str | None = None

    @classmethod
    def current(cls) -> "TraceContext":
        """The context of the request that is being answered."""
        return cls(request_id=structlog.contextvars.get_contextvars().get("request_id"), traceparent=traceparent())

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "TraceContext":
        return cls(request_id=values.get("request_id"), traceparent=values.get("traceparent"))

    def as_dict(self) -> dict[str, str]:
        """Its fields, without those that are None."""
        values = {"request_id": self.request_id, "traceparent": self.traceparent}
        return {name: value for name, value in values.items() if value is not None}


UNKNOWN = TraceContext()
