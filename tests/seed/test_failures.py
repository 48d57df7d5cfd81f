"""What stands in the way of a migration is told in one plain sentence by every program, with what would help."""

import asyncio
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.reconcile.ours import OF_001, build, old_rows, seen, versions

from .conftest import Checkout

pytestmark = pytest.mark.xdist_group("guarded server")  # one worker makes it
PASSWORD = "hush-hush"
READERS = {"verify": "python3 verify_migration.py"}
HEALERS = {
    "resolve": "python3 resolve_migration_error.py",
    "fix": "python3 fix_migration_state.py",
    "alembic": "alembic upgrade head",
    "reconcile": "python3 -m reconcile heal",
    "server": "python3 main.py",
}
MAKERS = {"init_db": "python3 init_db.py"}
ALL = READERS | HEALERS | MAKERS
REMEDY = re.compile(r"An administrator can run: (.+;)")


@pytest.fixture
def administrator(guarded_server: str) -> Iterator[str]:
    """The administrator's address of a database `shop`, whose user `clerk` may connect and no more."""
    server = f"postgresql://pegasus:top%2Fsecret@{guarded_server}"
    run(f"{server}/pegasus", f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'")
    run(f"{server}/pegasus", "CREATE DATABASE shop")
    yield f"{server}/shop"
    run(f"{server}/pegasus", "DROP DATABASE shop WITH (FORCE)")
    run(f"{server}/pegasus", "DROP ROLE clerk")


@pytest.fixture
def clerk(administrator: str, copied: Path) -> Checkout:
    """A checkout whose user is the clerk."""
    address = administrator.replace("pegasus:top%2Fsecret", f"clerk:{PASSWORD}")
    return Checkout(copied, {"DATABASE_URL": address, "DATA_PATH": str(copied.parent / "data"), "PORT": "0"})


def run(address: str, *statements: str) -> None:
    async def work() -> None:
        connection = await asyncpg.connect(address)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(work())


def asked(address: str, question: Any) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(address)
        try:
            return await question(connection)
        finally:
            await connection.close()

    return asyncio.run(ask())


def sentences(
    checkout: Checkout, programs: dict[str, str], *, started: Iterable[str] = (), **environment: str
) -> dict[str, str]:
    """The one sentence that each program ends with; each fails, and none tells a secret.

    Those `started` are processes of their own, as a person starts them; otherwise the server alone is one, a fork.
    """
    ways = dict.fromkeys(programs, checkout.here) | {"server": checkout.forked} | dict.fromkeys(started, checkout.shell)
    ended = {name: ways[name](program, **environment) for name, program in programs.items()}
    for name, run in ended.items():
        assert run.returncode != 0, f"{name}: {run.stdout}"
        assert "Traceback" not in run.stdout + run.stderr, f"{name}: {run.stderr}"
        assert PASSWORD not in run.stdout + run.stderr, name
        # Alembic itself says on which stream it failed.
        assert (run.stdout == "") is (name != "alembic"), f"{name}: {run.stdout}"
    return {name: (run.stderr + run.stdout).strip().splitlines()[-1] for name, run in ended.items()}


def helped(checkout: Checkout, administrator: str, programs: dict[str, str], *, first: str) -> None:
    """Each program tells the same remedy; run by the administrator, one after the other, they lead to a heal."""
    told = sentences(checkout, programs)
    assert {REMEDY.search(sentence)[1] for sentence in told.values()} == {first}, told  # type: ignore[index]
    remedy = first
    for _ in range(5):
        run(administrator, remedy)
        ran = checkout.here("python3 resolve_migration_error.py")
        if ran.returncode == 0:
            break
        found = REMEDY.search(ran.stderr)
        assert found is not None, ran.stdout + ran.stderr
        assert found[1] != remedy, "the remedy doesn't help"
        remedy = found[1]
    assert asked(administrator, versions) == ["002"]
    for line in ("alembic upgrade head", "python3 -m reconcile status", "python3 test_upload_endpoint.py"):
        ended = checkout.here(line)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_no_create(clerk: Checkout, administrator: str) -> None:
    """A user who may not create in the schema is told the GRANT, and it helps."""
    helped(clerk, administrator, HEALERS | MAKERS, first="GRANT USAGE, CREATE ON SCHEMA public TO clerk;")


def test_not_the_owner(clerk: Checkout, administrator: str, tmp_path: Path) -> None:
    """A user who may use the table but doesn't own it is told the ALTER TABLE … OWNER TO, and it helps."""
    rows = old_rows(tmp_path / "recordings", tmp_path / "outside.wav")
    asked(administrator, partial(build, parts=OF_001, claim=("001",), rows=rows))
    run(administrator, "GRANT USAGE ON SCHEMA public TO clerk", "GRANT ALL ON ALL TABLES IN SCHEMA public TO clerk")
    before = asked(administrator, seen)
    told = sentences(clerk, HEALERS)
    assert asked(administrator, seen) == before
    assert {REMEDY.search(sentence)[1] for sentence in told.values()} == {  # type: ignore[index]
        "ALTER TABLE audio_files OWNER TO clerk;"
    }
    helped(clerk, administrator, {"alembic": HEALERS["alembic"]}, first="ALTER TABLE audio_files OWNER TO clerk;")


def test_no_select(clerk: Checkout, administrator: str) -> None:
    """A user who may not read the version table is told the GRANT, and it helps."""
    asked(administrator, partial(build, parts=OF_001, claim=("001",)))
    run(administrator, "GRANT USAGE, CREATE ON SCHEMA public TO clerk")
    first = "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE alembic_version TO clerk;"
    helped(clerk, administrator, READERS | HEALERS, first=first)


def test_no_usage(clerk: Checkout, administrator: str) -> None:
    """A user who may not even look into the schema isn't told that it is empty."""
    asked(administrator, partial(build, parts=OF_001, claim=("001",)))
    before = asked(administrator, seen)
    told = sentences(clerk, HEALERS | MAKERS)
    assert all("GRANT USAGE, CREATE ON SCHEMA public TO clerk;" in sentence for sentence in told.values()), told
    assert asked(administrator, seen) == before


def test_wrong_password(clerk: Checkout, guarded_server: str) -> None:
    """A wrong password is told with the user's name, and never with the password."""
    address = clerk.environment["DATABASE_URL"].replace(PASSWORD, f"{PASSWORD}-wrong")
    for name, sentence in sentences(clerk, ALL, DATABASE_URL=address).items():
        expected = f"The database at {guarded_server} refuses the user clerk or its password: see DATABASE_URL."
        assert sentence.endswith(expected), name


def test_missing_database(clerk: Checkout, guarded_server: str) -> None:
    """A missing database is told with the SQL that makes it."""
    address = clerk.environment["DATABASE_URL"].replace("/shop", "/store")
    for name, sentence in sentences(clerk, ALL, DATABASE_URL=address).items():
        expected = f"The server at {guarded_server} has no database named store: CREATE DATABASE store;"
        assert sentence.endswith(expected), name


def test_unreachable(copied: Path) -> None:
    """A server that isn't there is told where it was looked for."""
    checkout = Checkout(copied, {"DATA_PATH": str(copied.parent / "data")})
    address = f"postgresql://clerk:{PASSWORD}@127.0.0.1:1/shop"
    for name, sentence in sentences(checkout, ALL, started=ALL, DATABASE_URL=address).items():
        assert sentence.endswith("The database at 127.0.0.1:1 can't be reached: nothing listens there."), name


BROKEN_FILES = {
    f"DATABASE_URL postgresql://clerk:{PASSWORD}@db/shop\n": (
        "The setting file .env has a line that is not NAME=value, line 1."
    ),
    f"DATABASE_ULR=postgresql://clerk:{PASSWORD}@db/shop\n": (
        "The setting DATABASE_ULR is unknown; did you mean DATABASE_URL?"
    ),
    f"DATABASE_URL=mysql://clerk:{PASSWORD}@db/shop\n": "The setting DATABASE_URL is not an address like ",
    "PORT=eighty\n": "The setting PORT has an impossible value: ",
}


@pytest.mark.parametrize("text", BROKEN_FILES)
def test_broken_env_file(text: str, copied: Path) -> None:
    """A broken `.env` stops every program with the name of what is wrong in it."""
    (copied / ".env").write_text(text)
    checkout = Checkout(copied, {"DATA_PATH": str(copied.parent / "data")})
    for name, sentence in sentences(checkout, ALL).items():
        assert BROKEN_FILES[text] in sentence, name
    assert not (copied.parent / "data").exists()
