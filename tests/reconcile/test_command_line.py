"""`python -m reconcile` as a person or a script meets it."""

import asyncio
import json
import urllib.parse
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest

from .chains import asked, reconcile
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


@pytest.mark.parametrize("verdict", CODES)
def test_verdicts(verdict: str, database: str) -> None:
    """Each verdict has an exit code and a JSON form; looking changes nothing, and healing ends at 0 or refuses."""
    parts, claim, code = CODES[verdict]
    asked(database, partial(build, parts=parts, claim=claim))
    before = asked(database, seen)
    for command in (("status",), ("plan",), ("heal", "--dry-run")):
        ran = reconcile(*command, database=database)
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
    asked(database, lambda connection: connection.execute("ALTER TABLE audio_files ALTER tag TYPE text"))
    ran = reconcile("heal", database=database)
    assert ran.returncode == 20
    assert "column audio_files.tag is text, not character varying(100)" in ran.stdout
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
        f"CREATE ROLE {name} LOGIN",
        f"GRANT USAGE ON SCHEMA public TO {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
    )
    host = urllib.parse.urlsplit(database)
    yield f"postgresql://{name}@{host.path}?{host.query}"
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
