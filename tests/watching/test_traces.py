"""Traces: one from the request to the last step of the recording's processing, sent to a real collector."""

import asyncio
import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from core.observability.tracing import job_span, span, traceparent
from main import WORKER
from tests.api.test_main import Run, forked
from tests.audio.samples import recording
from tests.watching.test_request_ids import heard

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """Takes spans in by OTLP over HTTP, as any collector does."""

    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                assert self.path == "/v1/traces"
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def spans(self) -> list[dict[str, object]]:
        """Every span: its name, ids and attributes, by name, and the service that sent it."""
        return [
            {"name": one.name, "trace": one.trace_id.hex(), "id": one.span_id.hex(), "parent": one.parent_span_id.hex()}
            | {attribute.key: attribute.value.string_value for attribute in one.attributes}
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for one in scope.spans
        ]

    def close(self) -> None:
        """Takes nothing any more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """A collector on loopback."""
    collector = Collector()
    yield collector
    collector.close()


async def post(run: Run) -> str:
    url = await asyncio.to_thread(run.url)
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "seen-in-traces"}
    async with httpx.AsyncClient(base_url=url) as client:
        files, said = {"file": ("hush-name.wav", recording("wav"))}, {"tag": "hush-tag", "user_id": "hush-user"}
        answer = await client.post("/api/audio/upload", files=files, data=said, headers=headers)
        await client.get("/api/audio/", params={"tag": "hush-tag"}, headers=headers)
        return str(answer.json()["id"])


async def test_a_trace_goes_from_the_request_to_the_worker(tmp_path: Path, database: str, collector: Collector) -> None:
    """Request, stages, job and steps are one trace, over two processes, which continues the client's own."""
    settings = {"DATABASE_URL": database, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with (
        forked(tmp_path, PROCESSING="off", **settings) as run,
        forked(tmp_path, WORKER, **settings) as worker,
    ):
        identity = await post(run)
        await heard(worker, "recording completed", identity)
        assert await asyncio.to_thread(run.end, 15) == 0
        assert await asyncio.to_thread(worker.end, 15) == 0
    found = {str(one["name"]): one for one in collector.spans()}
    assert {str(one["trace"]) for one in found.values()} == {TRACE}
    request = found["POST /api/audio/upload"]
    assert request["pegasus.request_id"] == "seen-in-traces"
    above = {"receive": request, "publish": found["receive"], "enter": request, "job process": found["enter"]}
    for name, parent in above.items():
        assert found[name]["parent"] == parent["id"], name
    assert found["examine"]["parent"] == found["job process"]["id"]
    assert found["job process"]["pegasus.recording"] == identity
    assert "hush" not in str(collector.spans())


async def test_several_processes_send_their_spans(tmp_path: Path, database: str, collector: Collector) -> None:
    """Each server process sends its own, and the last of them when it ends."""
    settings = {"DATABASE_URL": database, "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with forked(tmp_path, PROCESSING="off", WORKERS="2", **settings) as run:
        await post(run)
        assert await asyncio.to_thread(run.end, 15) == 0
    assert "POST /api/audio/upload" in {one["name"] for one in collector.spans()}


async def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path, database: str) -> None:
    """Without a collector uploads are taken as ever, and the server ends in order."""
    settings = {"DATABASE_URL": database, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}
    with forked(tmp_path, PROCESSING="off", **settings) as run:
        await post(run)
        assert await asyncio.to_thread(run.end, 15) == 0


def test_without_a_collector_there_is_nothing() -> None:
    """Off, a span is the same empty thing each time, and nothing goes along with a job."""
    assert span("receive") is span("publish") is job_span("job", traceparent=None, recording_id="")
    assert traceparent() is None
