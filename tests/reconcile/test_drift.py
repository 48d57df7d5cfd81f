"""What a database in the field may have become: repaired without a loss, or refused with SQL that really helps."""

import re
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from reconcile.healing.heal import heal
from reconcile.inspection.inspect import inspect
from reconcile.planning.report import Report
from reconcile.tape.project import Project
from tests.conftest import fresh_database

from .drift import DRIFTS, Drift
from .ours import FORBIDDEN, READABLE, VERSION_TABLE, build, old_rows, put, rows_of, seen, versions
from .service import check_use, pegasus

REMEDIES_IN_A_ROW = 3
SQL = re.compile(r"(?:ALTER|CREATE|DROP|UPDATE|DELETE|INSERT)\b.*", re.DOTALL)


@pytest.fixture
async def database(server_address: str, beside: str) -> AsyncIterator[str]:
    """The address of a database without our table, and with what else Pegasus needs to serve."""
    async with fresh_database(server_address, template=beside) as address:
        yield address


async def broken(raw: asyncpg.Connection, drift: Drift, rows: Collection[dict[str, Any]]) -> None:
    await build(raw, drift.parts, drift.claim, rows=rows)
    await raw.execute(drift.broken)
    await raw.execute("RESET ALL")


def without(sentences: Collection[str], stays: Collection[str]) -> set[str]:
    return {sentence for sentence in sentences if not sentence.startswith(tuple(stays))}


@pytest.mark.parametrize("drift", DRIFTS, ids=lambda drift: drift.name)
async def test_drift(
    drift: Drift,
    database: str,
    raw: asyncpg.Connection,
    healer: AsyncConnection,
    project: Project,
    head: frozenset[str],
    tmp_path: Path,
) -> None:
    """A database that differs from the chain is mended without a loss, or refused untouched with what would mend it."""
    storage = tmp_path / "recordings"
    await broken(raw, drift, old_rows(storage, tmp_path / "outside.wav") if drift.rows else ())
    before = await seen(raw), await versions_as_text(raw), await rows_of(raw)

    async def call(work: Any) -> Report:
        return await healer.run_sync(work, project)

    report = await call(inspect)
    report = await call(heal)
    assert report.verdict == report.verdict
    if drift.verdict:
        assert report.verdict == drift.verdict, report
    assert drift.seen in str(report), report
    if drift.end in ("refused", "by hand"):
        assert report.outcome == "refused", report
        assert (await seen(raw), await versions_as_text(raw), await rows_of(raw)) == before
        report = await helped(raw, drift, report, call)
    assert report.well, report
    after = await rows_of(raw)
    await check_head(raw, drift, head)
    again = await call(heal)
    assert (again.outcome, again.plan.steps) == ("current", ()), again
    if drift.end != "by hand" and before[2] is not None:
        assert after == [kept(row, after) for row in before[2]]
    async with pegasus(database, storage) as client:
        known = [row["id"] for row in after or [] if row.get("processing_status")]
        readable = {key: content for key, content in READABLE.items() if str(key) in known}
        await check_use(client, readable=readable, forbidden=[key for key in FORBIDDEN if str(key) in known])


async def helped(raw: asyncpg.Connection, drift: Drift, report: Report, call: Any) -> Report:
    """Does what the report advises, or what a person has to, and heals again."""
    if drift.end == "by hand":
        await raw.execute(drift.by_hand)
        return await call(heal)  # type: ignore[no-any-return]
    for _ in range(REMEDIES_IN_A_ROW):
        assert report.plan.refusal is not None
        assert report.plan.refusal.remedies, report
        for remedy in report.plan.refusal.remedies:
            found = SQL.search(remedy)
            assert found is not None, f"no SQL in: {remedy}"
            await raw.execute(found[0])
        report = await call(heal)
        if report.well:
            break
    return report


async def versions_as_text(raw: asyncpg.Connection) -> list[str]:
    """The version table's rows, whatever they are."""
    if await versions_exist(raw):
        return sorted(row[0] for row in await raw.fetch("SELECT v::text FROM alembic_version v"))
    return []


async def versions_exist(raw: asyncpg.Connection) -> bool:
    return bool(await raw.fetchval("SELECT to_regclass('public.alembic_version') IS NOT NULL"))


async def check_head(raw: asyncpg.Connection, drift: Drift, head: frozenset[str]) -> None:
    """The end of the chain, and beside it what isn't ours, which stays."""
    now = await seen(raw)
    for prefix in drift.stays:
        assert any(sentence.startswith(prefix) for sentence in now), prefix
    if drift.name != "one row twice":
        assert without(head, drift.stays) <= now
        assert without(now - head, drift.stays) == set()
    assert await versions(raw) == ["002"]


def kept(row: dict[str, Any], after: Collection[dict[str, Any]] | None) -> dict[str, Any]:
    """What a row must be now, having been `row`: every value as it was, under the column's right name."""
    names = {"file_name": "filename", "label": "tag", "kind": "category"}
    now = {names.get(name, name): value for name, value in row.items()}
    if now["processing_status"].isupper():
        now["processing_status"] = now["processing_status"].lower()
    if now["processing_status"] == "done":
        now["processing_status"] = "completed"
    if str(now.get("created_at")).endswith("+00:00"):
        now["created_at"] = now["created_at"].removesuffix("+00:00")
    return now


async def test_failed_concurrent_index(
    raw: asyncpg.Connection, healer: AsyncConnection, project: Project, head: frozenset[str], tmp_path: Path
) -> None:
    """What a CREATE INDEX CONCURRENTLY that failed leaves behind is made anew."""
    await build(raw, set(), None)
    await raw.execute(f"{VERSION_TABLE}; INSERT INTO alembic_version VALUES ('002')")
    rows = old_rows(tmp_path, tmp_path / "outside.wav")
    await build(
        raw, ("type", "table", "unique", "status index", "time index", "user index", "tag", "category"), ("002",)
    )
    await put(raw, rows)
    with pytest.raises(asyncpg.UniqueViolationError):
        await raw.execute("CREATE UNIQUE INDEX CONCURRENTLY ix_audio_files_tag ON audio_files (left(filename, 3))")
    report = await healer.run_sync(heal, project)
    assert report.outcome == "refused"  # it is unique, so somebody meant it
    remedies = report.plan.refusal.remedies if report.plan.refusal else ()
    assert remedies[0].startswith("DROP INDEX ix_audio_files_tag;")
    await raw.execute(remedies[0])
    assert (await healer.run_sync(heal, project)).well
    assert await seen(raw) == head
