"""`python -m reconcile` as a person or a script meets it."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from reconcile.alembic_bridge.lock import locked_session
from reconcile.observation.observe import VersionTable
from tests.programs import BACKEND

from .chains import asked, command, reconcile
from .ours import OF_001, OF_002, UNKNOWN, VERSION_TABLE, build, seen, versions

CODES = {
    "current": (OF_002, ("002",), 0),
    "behind": (OF_001, ("001",), 10),
    "adopted": (OF_001, None, 11),
    "incomplete": (OF_001 - {"user index"}, ("001",), 12),
    "empty": ((), None, 13),
    "ambiguous": (OF_001, (UNKNOWN,), 21),
    "ahead": (OF_002, (UNKNOWN,), 22),
}


ROW = (
    "INSERT INTO audio_files (id, filename, file_path, processing_status)"
    " VALUES (gen_random_uuid(), 'one.wav', 'one.wav', 'uploaded')"
)
HELD = (
    "SELECT count(*) FROM pg_locks JOIN pg_database d ON d.oid = database"
    " WHERE datname = current_database() AND locktype = 'advisory'"
)


@pytest.mark.parametrize("verdict", CODES)
def test_verdicts(verdict: str, database: str) -> None:
    """Each verdict has an exit code and a JSON form; looking changes nothing, and healing ends at 0 or refuses."""
    parts, claim, code = CODES[verdict]
    asked(database, partial(build, parts=parts, claim=claim))
    before = asked(database, seen)
    for looking in (("status",), ("plan",), ("heal", "--dry-run")):
        ran = reconcile(*looking, database=database)
        assert (ran.returncode, ran.stderr) == (code, "")
        assert ran.stdout.startswith(f"{verdict}: ")
    told = json.loads(reconcile("status", "--json", database=database).stdout)
    assert (told["verdict"], told["exit_code"]) == (verdict, code)
    assert asked(database, seen) == before
    healed = reconcile("heal", "--json", database=database)
    outcome = json.loads(healed.stdout)["outcome"]
    if verdict in ("ambiguous", "ahead"):
        assert (outcome, healed.returncode) == ("refused", code)
        assert asked(database, seen) == before
    else:
        assert (outcome, healed.returncode) == ("current" if verdict == "current" else "healed", 0)
        assert asked(database, versions) == ["002"]
        assert reconcile("status", database=database).returncode == 0


def test_drifted(database: str) -> None:
    """Drift exits with its code, and says what differs and which SQL would mend it."""
    asked(database, partial(build, parts=OF_002, claim=("002",)))
    asked(database, lambda connection: connection.execute("ALTER TABLE audio_files ALTER tag TYPE bytea USING ''"))
    ran = reconcile("heal", database=database)
    assert ran.returncode == 20
    assert "column audio_files.tag is bytea, not character varying(100)" in ran.stdout
    assert "ALTER TABLE audio_files ALTER COLUMN tag TYPE character varying(100)" in ran.stdout


def test_assume(database: str) -> None:
    """What a person vouches for decides where the schema leaves a choice; a revision that isn't there is refused."""
    asked(database, partial(build, parts=OF_001, claim=(UNKNOWN,)))
    ran = reconcile("heal", "--assume", "no-such", database=database)
    assert ran.returncode == 1
    assert ran.stderr == "error: There is no revision no-such; there are base, 001, 002.\n"
    assert reconcile("heal", "--assume", "001", "--dry-run", database=database).returncode != 0
    assert asked(database, versions) == [UNKNOWN]
    assert reconcile("heal", "--assume", "001", database=database).returncode == 0
    assert asked(database, versions) == ["002"]


def test_record_check(database: str) -> None:
    """The tape on file is what playing the chain gives."""
    ran = reconcile("record", "--check", database=database)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert json.loads(reconcile("record", "--check", "--json", database=database).stdout)["revisions"] == 2
    names = asked(database, lambda connection: connection.fetch("SELECT datname FROM pg_database"))
    assert not [row[0] for row in names if row[0].startswith("reconcile_scratch")]


def test_history(database: str) -> None:
    """What was healed is on record, and before the first heal nothing is."""
    assert reconcile("history", database=database).stdout == "No heal is on record.\n"
    assert reconcile("heal", database=database).returncode == 0
    told = json.loads(reconcile("history", "--json", database=database).stdout)
    assert [(row["verdict"], row["outcome"], row["head"]) for row in told] == [("empty", "healed", "002")]


@pytest.fixture
def locked(database: str) -> Iterator[str]:
    """The address of a database that somebody is healing: the healer's lock is held the whole time."""
    engine = create_engine(database.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.connect() as connection, locked_session(connection, versions=VersionTable()):
        yield database


def test_looking_while_somebody_heals(locked: str) -> None:
    """Whoever only looks doesn't wait for a heal: not `status`, `plan` or `history`, and not `alembic current`."""
    asked(locked, partial(build, parts=OF_001, claim=("001",)))
    assert reconcile("status", database=locked).returncode == 10
    assert reconcile("plan", database=locked).returncode == 10
    assert reconcile("history", database=locked).returncode == 0
    ran = command("-m", "alembic", "current", database=locked)
    assert (ran.returncode, ran.stdout) == (0, "001\n")


@pytest.mark.parametrize("looking", ["status", "plan", "history"])
def test_looking_locks_nothing(looking: str, database: str) -> None:
    """Looking never holds the healer's lock, and so can't keep a heal waiting."""
    asked(database, partial(build, parts=OF_001, claim=("001",)))
    other = create_engine(database.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    held: list[int] = []

    def look(connection: Connection, *_: object) -> None:
        if connection.dialect.driver == "asyncpg":
            with other.connect() as beside:
                held.append(beside.exec_driver_sql(HELD).scalar_one())

    event.listen(Engine, "after_cursor_execute", look)
    try:
        reconcile(looking, database=database)
    finally:
        event.remove(Engine, "after_cursor_execute", look)
    assert held
    assert not any(held)


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_terminal(environment: dict[str, str], coloured: bool, database: str) -> None:  # noqa: FBT001 - a case
    """On a terminal the verdict is coloured, unless NO_COLOR is set, and long work says how far it has got."""
    asked(database, partial(build, parts=OF_001, claim=("001",)))
    asked(database, lambda connection: connection.execute(ROW))
    told = on_terminal("heal", "--row-limit", "0", database=database, **environment)
    assert ("\x1b[32mbehind\x1b[0m: " in told) is coloured
    assert ("\x1b" in told) is coloured
    assert "2 of 4: beside    CREATE INDEX CONCURRENTLY ix_audio_files_category" in told
    assert "2 of 2: revision 002" in on_terminal("record", "--check", database=database, **environment)
    assert "1 of 2" not in reconcile("record", "--check", database=database).stderr


def on_terminal(*arguments: str, database: str, **environment: str) -> str:
    """What a terminal shows of `python -m reconcile`."""
    ours, theirs = os.openpty()
    given = os.environ | {"DATABASE_URL": database} | environment
    process = subprocess.Popen(
        [sys.executable, "-m", "reconcile", *arguments], cwd=BACKEND, env=given, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b""
    with suppress(OSError):  # so ends what a terminal shows when nobody writes to it any more
        while part := os.read(ours, 4096):
            shown += part
    os.close(ours)
    assert process.wait() == 0, shown
    return shown.decode()


def test_wrong_config(tmp_path: Path) -> None:
    """A wrong alembic.ini is told in a sentence."""
    ran = reconcile("status", "-c", str(tmp_path / "none.ini"))
    assert ran.returncode == 23
    assert ran.stderr.startswith("unreadable: There is no file ")
    (tmp_path / "other.ini").write_text("[other]\nx = 1\n")
    ran = reconcile("status", "-c", str(tmp_path / "other.ini"))
    assert ran.returncode != 0
    assert "other.ini" in ran.stderr
    (tmp_path / "broken.ini").write_text("no section\n")
    ran = reconcile("status", "-c", str(tmp_path / "broken.ini"))
    assert ran.returncode == 23
    assert ran.stderr.count("\n") == 1
    (tmp_path / "nowhere.ini").write_text("[alembic]\nscript_location = %(here)s/nowhere\npath_separator = os\n")
    ran = reconcile("status", "-c", str(tmp_path / "nowhere.ini"))
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr


def test_unknown_command() -> None:
    """An unknown command is refused with what there is."""
    ran = reconcile("repair")
    assert ran.returncode == 2
    assert "invalid choice: 'repair'" in ran.stderr
    assert reconcile().returncode == 2


@pytest.fixture
def reader(database: str) -> Iterator[str]:
    """The address of the database for a user who may only read it."""
    asked(database, partial(build, parts=OF_001, claim=("001",)))
    name = f"reader_{database.split('/test_')[1][:8]}"

    def run(*statements: str) -> None:
        async def all_of_them() -> None:
            connection = await asyncpg.connect(database)
            for statement in statements:
                await connection.execute(statement)
            await connection.close()

        asyncio.run(all_of_them())

    run(
        f"CREATE ROLE {name} LOGIN PASSWORD 'hush'",
        f"GRANT USAGE ON SCHEMA public TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
    )
    host = urllib.parse.urlsplit(database)
    yield f"postgresql://{name}:hush@{host.path}?{host.query}"
    run(f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_read_only_user(reader: str, database: str) -> None:
    """A user who may only read can ask where the database is; healing is refused in one sentence with the remedy."""
    before = asked(database, seen)
    ran = reconcile("status", database=reader)
    assert (ran.returncode, ran.stderr) == (10, "")
    ran = reconcile("heal", database=reader)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.count("\n") == 1
    assert "ALTER TABLE audio_files OWNER TO reader_" in ran.stderr
    assert asked(database, seen) == before


def test_version_table_of_somebody_else(database: str) -> None:
    """A table that only has the version table's name is told apart, in one sentence, and stays."""
    asked(database, lambda connection: connection.execute("CREATE TABLE alembic_version (number int)"))
    ran = reconcile("heal", database=database)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "version_num" in ran.stderr
    asked(database, lambda connection: connection.execute(f"DROP TABLE alembic_version; {VERSION_TABLE}"))
    assert reconcile("heal", database=database).returncode == 0
