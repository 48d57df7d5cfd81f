"""Tracing by OpenTelemetry: spans of requests, of an upload's stages and of a recording's processing.

It is on where the extra `[telemetry]` is installed and the environment names a collector for OTLP over HTTP, in
OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT; the SDK's other variables count as well. Off, it
costs nothing. No span holds a tag, a user, a file's name, a query or an error's text.
"""

import asyncio
import contextlib
import contextvars
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import structlog
from opentelemetry import trace
from opentelemetry.propagate import extract, inject
from opentelemetry.trace import SpanKind, StatusCode, Tracer

T = TypeVar("T")
COLLECTORS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
FLUSH_MS = 5000
log = structlog.get_logger(__name__)
_tracer: Tracer | None = None
_provider: Any = None
_NOTHING = contextlib.nullcontext()


def is_configured() -> bool:
    """Whether the environment names a collector."""
    switched_off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not switched_off and any(os.environ.get(name) for name in COLLECTORS)


@contextlib.asynccontextmanager
async def traced() -> AsyncIterator[None]:
    """Sends spans inside of the block, and flushes them at its end."""
    _open()
    try:
        yield
    finally:
        if _provider is not None:
            await asyncio.to_thread(_provider.force_flush, FLUSH_MS)


def _open() -> None:
    global _tracer, _provider
    if _tracer is not None or not is_configured():
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        log.warning("no traces: the extra [telemetry] isn't installed")
        return

    name = os.environ.get("OTEL_SERVICE_NAME", "pegasus")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _tracer, _provider = provider.get_tracer("pegasus"), provider


def span(name: str) -> AbstractContextManager[None]:
    """A span below the current one, for the time of the block."""
    return _NOTHING if _tracer is None else _span(_tracer, name)


def job_span(name: str, *, traceparent: str | None, recording_id: object) -> AbstractContextManager[None]:
    """A span of a recording's job, in the trace of the request that uploaded it."""
    if _tracer is None:
        return _NOTHING
    parent = extract({"traceparent": traceparent}) if traceparent else None
    attributes = {"pegasus.recording": str(recording_id)}
    return _span(_tracer, name, context=parent, kind=SpanKind.CONSUMER, attributes=attributes)


@contextmanager
def _span(tracer: Tracer, name: str, **more: Any) -> Iterator[None]:
    # An error's text may hold what a collector must not get.
    options: dict[str, Any] = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(name, **options, **more) as current:
        try:
            yield
        except BaseException as error:
            current.set_status(StatusCode.ERROR)
            current.set_attribute("error.type", type(error).__name__)
            raise


def traceparent() -> str | None:
    """The current span's `traceparent` (W3C Trace Context); None without tracing."""
    if _tracer is None:
        return None
    carrier: dict[str, str] = {}
    inject(carrier)
    return carrier.get("traceparent")


def annotate_request(request_id: str) -> None:
    """Adds the request id of the log to the request's span, and removes its query, which may hold tags."""
    if _tracer is not None:
        trace.get_current_span().set_attributes({"pegasus.request_id": request_id, "url.query": ""})


def carried(work: Callable[[], T]) -> Callable[[], T]:
    """Wraps `work` to run with the current span as its parent, in any thread."""
    if _tracer is None:
        return work
    context = contextvars.copy_context()
    return lambda: context.run(work)
