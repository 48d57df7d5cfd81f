"""The Prometheus metrics that this process counts and measures; gauges read at a scrape are in api/scrape_gauges.py.

No label holds an id, a tag, a user or a path: each value comes from a fixed set. Counting takes a microsecond or two,
as the code holds the labelled series and looks up no label.

Several server processes write their numbers to files of one folder, and the one that is scraped returns the sum.
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, multiprocess
from prometheus_client.registry import Collector

from core.observability.tracing import span

FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # the library's name for it: it is read when the library is imported
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNMATCHED = "unmatched"
STATUSES = tuple(f"{first}xx" for first in range(6))
REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10, 30, 60, 300)
STEP_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)

disable_created_metrics()  # type: ignore[no-untyped-call]  # nobody reads them
REGISTRY = CollectorRegistry()

_requests = Histogram(
    "pegasus_http_request_duration_seconds",
    "Requests by method, route and class of status, and the time from the end of the head to the end of the answer.",
    ("method", "route", "status"),
    buckets=REQUEST_SECONDS,
    registry=REGISTRY,
)
RESPONSE_BYTES = Counter("pegasus_http_response_body_bytes", "Bytes of answers' bodies.", registry=REGISTRY)
UPLOAD_BYTES = Counter("pegasus_upload_body_bytes", "Bytes of uploads' bodies that came in.", registry=REGISTRY)
UPLOADS_IN_PROGRESS = Gauge(
    "pegasus_uploads_in_progress",
    "Bodies of uploads that are coming in.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_stages = Histogram(
    "pegasus_upload_stage_duration_seconds",
    "Time in one stage of an upload: its body is received, its bytes are made durable, its row is entered.",
    ("stage",),
    buckets=STAGE_SECONDS,
    registry=REGISTRY,
)
RECEIVING, PUBLISHING, ENTERING = (_stages.labels(stage) for stage in ("receive", "publish", "enter"))
HTTP_CONNECTIONS = Gauge(
    "pegasus_http_connections_open", "Open connections of clients.", multiprocess_mode="livesum", registry=REGISTRY
)
_refused_connections = Counter(
    "pegasus_http_connections_refused",
    "Connections that were refused, by the limit that they would have passed: all, address, or descriptors.",
    ("limit",),
    registry=REGISTRY,
)
HTTP_CONNECTIONS_REFUSED = {limit: _refused_connections.labels(limit) for limit in ("all", "address", "descriptors")}
EVENT_STREAMS = Gauge(
    "pegasus_event_streams_open", "Open streams of events.", multiprocess_mode="livesum", registry=REGISTRY
)
CONNECTIONS_IN_USE = Gauge(
    "pegasus_database_connections_in_use",
    "Connections of the pool that are lent out.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
CONNECTIONS_MOST = Gauge(
    "pegasus_database_connections_most",
    "Connections that the pool may have.",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
_steps = Histogram(
    "pegasus_processing_step_duration_seconds",
    "Time of one step of a recording's processing, by how it ended: done, failed, or broken off.",
    ("step", "outcome"),
    buckets=STEP_SECONDS,
    registry=REGISTRY,
)
_processed = Counter(
    "pegasus_recordings_processed", "Recordings whose processing has come to its end.", ("outcome",), registry=REGISTRY
)
COMPLETED, FAILED = (_processed.labels(outcome) for outcome in ("completed", "failed"))
_sweep_findings = Gauge(
    "pegasus_sweep_found",
    "What the last sweep of this server has counted.",
    ("finding",),
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
_swept_at = Gauge(
    "pegasus_sweep_timestamp_seconds",
    "When this server has last swept; 0 for never.",
    multiprocess_mode="mostrecent",
    registry=REGISTRY,
)
_request_series: dict[tuple[str, str | None, int], Histogram] = {}


def request_ended(method: str, route: str | None, status: int, *, seconds: float, body_bytes: int) -> None:
    """Counts a request. `route` is the path's template, None where no route matched; `body_bytes` were sent."""
    key = (method, route, status)
    series = _request_series.get(key)
    if series is None:
        is_standard = method in METHODS
        series = _requests.labels(method if is_standard else "other", route or UNMATCHED, STATUSES[status // 100])
        if is_standard:  # clients can invent methods without end
            _request_series[key] = series
    series.observe(seconds)
    RESPONSE_BYTES.inc(body_bytes)


@contextmanager
def step(name: str) -> Iterator[None]:
    """Measures and traces one step of a recording's processing, with its outcome."""
    began, outcome = time.perf_counter(), "broken off"
    try:
        with span(name):
            yield
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        _steps.labels(name, outcome).observe(time.perf_counter() - began)


def record_sweep(counts: Mapping[str, int]) -> None:
    """Sets the gauges of the last sweep, by the names of the report's fields."""
    for finding, count in counts.items():
        _sweep_findings.labels(finding).set(count)
    _swept_at.set_to_current_time()


def collected() -> Collector:
    """The metrics of this process or, where several serve together, of all of them."""
    if FOLDER not in os.environ:
        return REGISTRY
    return multiprocess.MultiProcessCollector(None)  # type: ignore[no-untyped-call]


@contextmanager
def shared_between_processes() -> Iterator[None]:
    """Processes that are started inside of the block share their metrics."""
    with tempfile.TemporaryDirectory(prefix="pegasus-metrics-", ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


def process_ended(process_id: int) -> None:
    """Drops a process's live gauges; its counters stay."""
    multiprocess.mark_process_dead(process_id)  # type: ignore[no-untyped-call]
