"""A database that others use, too: with all of theirs that rejects nothing, Pegasus starts, serves and says so."""

from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from reconcile.healing.heal import heal
from reconcile.inspection.inspect import inspect
from reconcile.tape.project import Project

from .ours import OF_002, build, old_rows
from .service import check_use, pegasus

# Each with what a note must name, where there is one.
THEIRS = {
    "a trigger after each row": (
        """
        CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON audio_files
        FOR EACH ROW EXECUTE FUNCTION audit()
        """,
        "audited",
    ),
    "a trigger before each row, disabled": (
        """
        CREATE TRIGGER off BEFORE INSERT ON audio_files FOR EACH ROW EXECUTE FUNCTION audit();
        ALTER TABLE audio_files DISABLE TRIGGER off
        """,
        "off",
    ),
    "a trigger before each row that lets all through": (
        """
        CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN coalesce(NEW, OLD); END $$;
        CREATE TRIGGER passed BEFORE INSERT OR UPDATE ON audio_files FOR EACH ROW EXECUTE FUNCTION pass()
        """,
        "passed",
    ),
    "row security that doesn't bind us": (
        "ALTER TABLE audio_files ENABLE ROW LEVEL SECURITY; CREATE POLICY theirs ON audio_files USING (false)",
        "",
    ),
    "what a rebuild left": (
        """
        CREATE INDEX ix_audio_files_tag_ccnew ON audio_files (tag);
        UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audio_files_tag_ccnew'::regclass
        """,
        "ix_audio_files_tag_ccnew",
    ),
    "an index of theirs": ("CREATE INDEX theirs ON audio_files (duration_seconds)", ""),
    "a column of theirs": ("ALTER TABLE audio_files ADD COLUMN reviewed boolean DEFAULT false", ""),
    "storage parameters": (
        "ALTER TABLE audio_files SET (fillfactor = 80); ALTER INDEX ix_audio_files_tag SET (fillfactor = 70)",
        "",
    ),
    "statistics": (
        "ALTER TABLE audio_files ALTER tag SET STATISTICS 500; CREATE STATISTICS s ON tag, category FROM audio_files",
        "",
    ),
    "comments": ("COMMENT ON TABLE audio_files IS 'ours'; COMMENT ON INDEX ix_audio_files_tag IS 'hot'", ""),
    "how it is stored": ("ALTER TABLE audio_files ALTER original_transcript SET STORAGE EXTERNAL", ""),
    "what replicas are told": (
        "ALTER TABLE audio_files REPLICA IDENTITY FULL; CREATE PUBLICATION everything FOR ALL TABLES",
        "",
    ),
    "others' tables, types and views": (
        """
        CREATE TABLE reviews (id int PRIMARY KEY, recording uuid REFERENCES audio_files);
        CREATE TYPE mood AS ENUM ('glad'); CREATE VIEW shown AS SELECT id, tag FROM audio_files
        """,
        "",
    ),
}


@pytest.fixture
async def shared(raw: asyncpg.Connection, tmp_path: Path) -> asyncpg.Connection:
    """A database at the head, with rows."""
    await build(raw, OF_002, ("002",), rows=old_rows(tmp_path / "recordings", tmp_path / "outside.wav"))
    return raw


@pytest.mark.usefixtures("shared")
async def test_all_of_it_at_once(
    database: str, raw: asyncpg.Connection, healer: AsyncConnection, project: Project, tmp_path: Path
) -> None:
    """Nothing is in the way, nothing is changed, the notes name what may matter, and uploads work."""
    for sql, _ in THEIRS.values():
        await raw.execute(sql)
    report = await healer.run_sync(inspect, project)
    assert report.verdict == "current", report
    for _, name in THEIRS.values():
        assert name in str(report)
    assert "DROP" not in str(report)
    healed = await healer.run_sync(heal, project)
    assert (healed.outcome, healed.plan.steps) == ("current", ())
    async with pegasus(database, tmp_path / "recordings") as client:
        await check_use(client)
    assert await raw.fetchval("SELECT reloptions FROM pg_class WHERE relname = 'ix_audio_files_tag'") == [
        "fillfactor=70"
    ]


@pytest.mark.usefixtures("shared")
async def test_a_trigger_that_rejects_is_found_out(
    raw: asyncpg.Connection, healer: AsyncConnection, project: Project
) -> None:
    """What the catalogs can't tell, Pegasus tries: it inserts a row, takes it back, and says what was answered."""
    await raw.execute(
        """
        CREATE FUNCTION deny() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'this table is frozen'; END $$;
        CREATE TRIGGER frozen BEFORE INSERT ON audio_files FOR EACH ROW EXECUTE FUNCTION deny()
        """
    )
    before = await raw.fetchval("SELECT count(*) FROM audio_files")
    report = await healer.run_sync(inspect, project)
    assert report.verdict == "drifted", report
    assert "this table is frozen" in str(report)
    assert "DROP TRIGGER" not in str(report)
    assert await raw.fetchval("SELECT count(*) FROM audio_files") == before


@pytest.mark.usefixtures("shared")
async def test_a_trigger_that_swallows_is_found_out(
    raw: asyncpg.Connection, healer: AsyncConnection, project: Project
) -> None:
    """A row that was inserted and isn't there has been rejected as well."""
    await raw.execute(
        """
        CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER gone BEFORE INSERT ON audio_files FOR EACH ROW EXECUTE FUNCTION swallow()
        """
    )
    report = await healer.run_sync(inspect, project)
    assert report.verdict == "drifted", report
    assert "gone" in str(report)
