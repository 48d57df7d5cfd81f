"""/metrics: true counts, whatever a client sends, and nothing in a label that a client has chosen."""

import asyncio
import os
import re
import socket
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr

from audio.processing.jobs import Lane
from audio.upkeep.gauges import STATES
from core.observability.metrics import METHODS, STATUSES, UNMATCHED
from core.settings import Settings
from main import WORKER
from reconcile.location.locate import Verdict
from tests.api.conftest import MakeToken, Serve, Started, Upload, problem
from tests.api.processing import ended, no_jobs, working
from tests.api.test_health import database_away
from tests.api.test_main import forked
from tests.audio.samples import recording
from tests.conftest import RunSql
from tests.hardening.test_database_refusals import refuse

COUNT = "pegasus_http_request_duration_seconds_count"
HOSTILE = 'x"} 1\nevil{a="b'
PAGES = {
    "",
    "/r/{recording_id}",
    "/settings",
    "/service_worker.js",
    "/web/{name}",
    "/docs",
    "/docs/{name}",
    "/redoc",
}  # not described by /openapi.json
FINDINGS = {
    "rows",
    "rows_without_bytes",
    "rows_without_manifest",
    "put_back",
    "files",
    "others",
    "left_over",
    "quarantined",
    "expired",
    "manifests_renewed",
    "stopped",
}


def parsed(text: str) -> dict[str, Metric]:
    return {metric.name: metric for metric in text_string_to_metric_families(text)}


def value(metrics: dict[str, Metric], sample: str, **labels: str) -> float:
    """The sum of a sample's values over the series that bear these labels."""
    found = [one for metric in metrics.values() for one in metric.samples if one.name == sample]
    return sum(one.value for one in found if labels.items() <= one.labels.items())


async def scraped(client: httpx.AsyncClient) -> dict[str, Metric]:
    answer = await client.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return parsed(answer.text)


def differences(before: dict[str, Metric], after: dict[str, Metric], samples: Iterable[str]) -> dict[str, float]:
    return {sample: value(after, sample) - value(before, sample) for sample in samples}


async def test_uploads_are_counted(far_client: httpx.AsyncClient) -> None:
    """Requests, bytes of bodies both ways, and the stages of an upload are counted, whichever way the bytes took."""
    content = recording("wav") + bytes(700_000)
    before = await scraped(far_client)
    answer = await far_client.post("/api/audio/upload", files={"file": ("memo.wav", content)})
    await far_client.get(f"/api/audio/{answer.json()['id']}/download")
    after = await scraped(far_client)
    route = {"method": "POST", "route": "/api/audio/upload", "status": "2xx"}
    assert value(after, COUNT, **route) - value(before, COUNT, **route) == 1
    got = {"method": "GET", "route": "/api/audio/{recording_id:uuid}/download", "status": "2xx"}
    assert {one.labels["route"] for one in after["pegasus_http_request_duration_seconds"].samples} >= {route["route"]}
    assert value(after, COUNT, **got) - value(before, COUNT, **got) == 1
    stages = [f"pegasus_upload_stage_duration_seconds_{what}" for what in ("count", "sum")]
    told = differences(before, after, [*stages, "pegasus_upload_body_bytes_total"])
    assert told[stages[0]] == 3
    assert told[stages[1]] > 0
    assert told["pegasus_upload_body_bytes_total"] == int(answer.request.headers["content-length"])
    sent = differences(before, after, ["pegasus_http_response_body_bytes_total"])
    assert sent["pegasus_http_response_body_bytes_total"] > len(content)
    assert value(after, "pegasus_uploads_in_progress") == 0


async def test_a_failed_request_is_counted_at_its_route(client: httpx.AsyncClient, run_sql: RunSql) -> None:
    """A failure of ours is counted where it happens."""
    failed = {"method": "POST", "route": "/api/audio/upload", "status": "5xx"}
    before = value(await scraped(client), COUNT, **failed)
    await refuse(run_sql, "P0001")
    answer = await client.post("/api/audio/upload", files={"file": ("memo.wav", recording("wav"))})
    problem(answer, status=500, slug="internal-error")
    assert value(await scraped(client), COUNT, **failed) == before + 1


async def test_no_label_is_chosen_by_a_client(client: httpx.AsyncClient, upload: Upload, settings: Settings) -> None:
    """After traffic with hostile tags, paths, methods and ids every label's value is one that the code knows."""
    uploaded = await upload(tag="secret-tag", category="secret-category", user_id="secret-user")
    for method, path in [
        ("GET", "/secret/../path"),
        ("GET", f"/api/audio/{uploaded['id']}"),
        ("PUT", "/api/audio/secret-id/tags"),
        ("BREW", "/secret-pot"),
        ("GET", f"/{quote(HOSTILE)}"),
        ("PATCH", "/api/uploads/secret"),
        ("POST", "/api/uploads/secret"),
        ("GET", "/web/secret.js"),
        ("GET", "/docs/secret.js"),
        ("GET", "/redoc"),
    ]:
        headers = {
            "X-HTTP-Method-Override": "BREW",
            "X-Request-ID": "secret-request",
            "Origin": "http://secret.example",
        }
        for more in ({}, headers):
            await client.request(method, httpx.URL(f"http://127.0.0.1:8000{path}"), headers=more)
    async with working(settings):
        await ended(client, uploaded)
    answer = await client.get("/metrics")
    assert "secret" not in answer.text
    assert uploaded["id"] not in answer.text
    paths = {path.rstrip("/") for path in (await client.get("/openapi.json")).json()["paths"]}
    routes = {re.sub(r":\w+}", "}", one).rstrip("/") for one in labels(answer.text, "route")}
    assert routes <= paths | PAGES | {UNMATCHED}
    assert labels(answer.text, "method") <= METHODS | {"other"}
    assert labels(answer.text, "status") <= set(STATUSES)
    assert labels(answer.text, "lane") == set(Lane)
    assert labels(answer.text, "state") == set(STATES)
    assert labels(answer.text, "verdict") <= set(Verdict)
    assert labels(answer.text, "finding") <= FINDINGS
    assert labels(answer.text, "step") <= {"examine", "transcribe", "improve"}
    assert labels(answer.text, "outcome") <= {"done", "failed", "broken off", "completed", "healed", "begun"}
    assert labels(answer.text, "limit") == {"all", "address", "descriptors"}
    known = {
        "route",
        "method",
        "status",
        "lane",
        "state",
        "verdict",
        "finding",
        "step",
        "outcome",
        "stage",
        "le",
        "limit",
    }
    assert {name for metric in parsed(answer.text).values() for one in metric.samples for name in one.labels} <= known


def labels(text: str, name: str) -> set[str]:
    found = (one.labels.get(name) for metric in parsed(text).values() for one in metric.samples)
    return {label for label in found if label is not None}


async def test_work_is_counted(client: httpx.AsyncClient, upload: Upload, settings: Settings, run_sql: RunSql) -> None:
    """Jobs are told by lane and state, and steps and recordings by how they ended."""
    before = await scraped(client)
    uploaded = [await upload(), await upload("flac")]
    waiting = await scraped(client)
    assert value(waiting, "pegasus_jobs", lane="process", state="queued") == 2
    assert value(waiting, "pegasus_jobs_due_seconds", lane="process") > 0
    async with working(settings):
        await ended(client, *uploaded)
        await no_jobs(run_sql)
    after = await scraped(client)
    assert value(after, "pegasus_jobs") == 0
    done = {"step": "examine", "outcome": "done"}
    count = "pegasus_processing_step_duration_seconds_count"
    assert value(after, count, **done) - value(before, count, **done) == 2
    told = "pegasus_recordings_processed_total"
    assert value(after, told, outcome="completed") - value(before, told, outcome="completed") == 2


async def test_the_state_of_the_whole_is_told(app: Started, client: httpx.AsyncClient) -> None:
    """Open uploads, the last heal and what the sweeper has found are told at a scrape."""
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": "100000"}
    assert (await client.post("/api/uploads", headers=headers)).status_code == 201
    while True:
        told = await scraped(client)
        if "pegasus_sweep_age_seconds" in told:
            break
        await asyncio.sleep(0.02)
    assert value(told, "pegasus_uploads_open") == 1
    assert value(told, "pegasus_database_up") == 1
    assert value(told, "pegasus_last_heal_info", verdict="empty", outcome="healed") == 1
    assert value(told, "pegasus_last_heal_timestamp_seconds") > 1.7e9
    assert value(told, "pegasus_last_heal_duration_seconds") > 0
    assert value(told, "pegasus_sweep_found", finding="rows") == 0
    assert value(told, "pegasus_sweep_found", finding="stopped") == 0


async def test_a_scrape_without_a_database(serve: Serve, server_address: str, database: str) -> None:
    """While the database is away, a token of the settings reads the rest, and no connection is counted too much."""
    used, secret = "pegasus_database_connections_in_use", "watching-" * 3
    async with serve(auth_tokens=SecretStr(f"{secret}=*")) as client:
        client.headers["Authorization"] = secret
        await scrape_without(client, used, server_address, database)


async def scrape_without(client: httpx.AsyncClient, used: str, server_address: str, database: str) -> None:
    async with database_away(server_address, database):
        for _ in range(3):
            assert (await client.get("/api/audio/")).status_code == 503
        told = await scraped(client)
        assert value(told, "pegasus_database_up") == 0
        assert "pegasus_jobs" not in told
        assert value(told, used) >= 0
    while value(told := await scraped(client), used):  # what goes on beside the requests asks, too
        assert value(told, used) > 0
        assert value(told, "pegasus_database_up") == 1


async def test_who_may_read_the_metrics(serve: Serve, make_token: MakeToken) -> None:
    """Where tokens are needed, an admin's reads the metrics, and neither a user's nor none does."""
    async with serve() as client:
        assert (await client.get("/metrics")).status_code == 200
        problem(await client.get("/metrics", headers={"Host": "elsewhere.example"}), status=421, slug="foreign-host")
    _, secret = await make_token("ada")
    _, admins = await make_token("grace", admin=True)
    async with serve() as client:
        problem(await client.get("/metrics"), status=401, slug="token-missing")
        problem(await client.get("/metrics", headers={"Authorization": secret}), status=403, slug="admin-needed")
        assert (await client.get("/metrics", headers={"Authorization": f"Bearer {admins}"})).status_code == 200


def test_several_processes_tell_their_sum(tmp_path: Path, database: str) -> None:
    """With two server processes each scrape tells what both have counted, also once one of them was killed."""
    with forked(tmp_path, DATABASE_URL=database, WORKERS="2", PROCESSING="off", TMPDIR=str(tmp_path)) as run:
        url = run.url()
        for _ in range(20):  # each on a connection of its own: either process may take it
            httpx.post(f"{url}/api/audio/upload", files={"file": ("memo.wav", recording("wav"))}).raise_for_status()
        uploads = {"method": "POST", "route": "/api/audio/upload", "status": "2xx"}
        for _ in range(10):
            told = parsed(httpx.get(f"{url}/metrics").text)
            assert value(told, "pegasus_http_request_duration_seconds_count", **uploads) == 20
            assert value(told, "pegasus_upload_stage_duration_seconds_count", stage="publish") == 20
            assert value(told, "pegasus_database_connections_most") == 2 * 20
        [one, _] = processes_of(run.process.pid)
        os.kill(one, 9)
        while True:
            assert run.process.poll() is None
            told = parsed(httpx.get(f"{url}/metrics").text)
            assert value(told, "pegasus_http_request_duration_seconds_count", **uploads) == 20
            fresh = {*processes_of(run.process.pid)} - {one}
            if len(fresh) == 2 and value(told, "pegasus_database_connections_most") == 2 * 20:
                break
        [folder] = tmp_path.glob("pegasus-metrics-*")
        assert run.end(15) == 0
    assert not folder.exists()


def processes_of(parent: int) -> list[int]:
    """The server processes below a parent: those that hold its socket, whatever else it has started."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            text, command = status.read_text(), (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if f"\nPPid:\t{parent}\n" in text and b"spawn_main" in command:
            found.append(int(status.parent.name))
    return sorted(found)


def test_a_worker_tells_what_it_does(tmp_path: Path, database: str) -> None:
    """A worker on its own has metrics at METRICS_PORT, and nothing else there; without one it listens nowhere."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with forked(tmp_path, WORKER, DATABASE_URL=database, METRICS_PORT=str(port)) as run:
        while True:
            assert run.process.poll() is None, run.said
            try:
                told = parsed(httpx.get(f"http://127.0.0.1:{port}/metrics").text)
                break
            except httpx.ConnectError:
                continue
        assert "pegasus_recordings_processed" in told
        with forked(tmp_path / "other", WORKER, DATABASE_URL=database, METRICS_PORT=str(port)) as second:
            assert second.ended() == 2
            assert second.said[-1].startswith("The setting METRICS_PORT can't be used")
        assert run.end(15) == 0
