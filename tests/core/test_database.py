"""The way to a database that somebody else runs: every usual address, and every refusal in one sentence."""

import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from urllib.parse import quote

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from core.database.engine import (
    async_session,
    database_address,
    explained,
    migration_address,
    open_engine,
    open_single_use_engine,
)
from core.errors import DatabaseProblem, SettingRefused
from core.settings import load_settings

from .conftest import BACKEND, ONE_LINER

PASSWORD = "s3cret@/#?é%"


def address_of(url: str) -> str:
    return database_address(load_settings(database_url=url))


ADDRESSES = {
    "postgres://me:pw@db/pegasus": "postgresql://me:pw@db/pegasus",
    "postgresql+psycopg2://me:pw@db:5433/pegasus": "postgresql://me:pw@db:5433/pegasus",
    "postgresql+asyncpg://me@db/pegasus?ssl=disable": "postgresql://me@db/pegasus?sslmode=disable",
    "postgresql://me@db/x?sslmode=require&channel_binding=require&connect_timeout=5": (
        "postgresql://me@db/x?sslmode=require"
    ),
    "postgresql://me:p%40w@[2001:db8::1]:5433/x": "postgresql://me:p%40w@[2001:db8::1]:5433/x",
    "postgresql://me@one:5432,two:5433/x": "postgresql://me@one:5432,two:5433/x",
    "postgresql:///x?host=/run/postgresql": "postgresql:///x?host=%2Frun%2Fpostgresql",
}


@pytest.mark.parametrize(("url", "address"), ADDRESSES.items())
def test_spellings(url: str, address: str) -> None:
    """Addresses as other drivers and libpq spell them are understood."""
    assert address_of(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "mysql://me:s3cret@db/x",
        "me:s3cret@db",
        "postgresql://me:s3cret@w0rd@db/x",
        "postgresql://me:s3cret/x@db/x",
        "postgresql://me:s3cret#x@db/x",
        "postgresql://me:s3cret?x@db/x",
        "postgresql://me:s3cret@[::1/x",
        "postgresql://me:s3cret@db:port/x",
        "postgresql://me:s3cret@db/x?sslmode",
    ],
)
def test_no_address(url: str) -> None:
    """What is no address is refused by the setting's name, without showing the password."""
    with pytest.raises(SettingRefused, match="^The setting DATABASE_URL is not an address like ") as refused:
        address_of(url)
    assert "s3cret" not in "".join(traceback.format_exception(refused.value))


def test_migration_address() -> None:
    """Migrations take their own address where there is one."""
    settings = load_settings(database_url="postgresql://pooler/x")
    assert migration_address(settings) == "postgresql://pooler/x"
    settings = load_settings(database_url="postgresql://pooler/x", migration_database_url="postgres://db/x")
    assert migration_address(settings) == "postgresql://db/x"


@pytest.fixture
async def shop(guarded_server: str) -> AsyncIterator[str]:
    """A database `shop` whose user `clerk` may connect, see the schema, and nothing else."""
    admin = f"postgresql://pegasus:top%2Fsecret@{guarded_server}"
    connection = await asyncpg.connect(f"{admin}/pegasus")
    await connection.execute(f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'")
    await connection.execute("CREATE DATABASE shop")
    shop = await asyncpg.connect(f"{admin}/shop")
    await shop.execute('CREATE TABLE goods (name text); CREATE SEQUENCE numbers; CREATE SCHEMA "Back Room"')
    await shop.close()
    yield f"clerk:{quote(PASSWORD, safe='')}@{guarded_server}/shop"
    await connection.execute("DROP DATABASE shop WITH (FORCE)")
    await connection.execute("DROP ROLE clerk")
    await connection.close()


async def problem(url: str, statement: str = "SELECT 1") -> DatabaseProblem:
    address = address_of(url)
    engine = open_single_use_engine(address)
    with pytest.raises(DatabaseProblem) as found, explained(address):
        async with engine.begin() as connection:
            await connection.execute(text(statement))
    assert "\n" not in str(found.value)
    assert PASSWORD not in str(found.value)
    assert quote(PASSWORD, safe="") not in str(found.value)
    return found.value


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2", "postgresql+asyncpg"])
@pytest.mark.parametrize("options", ["", "?sslmode=disable", "?sslmode=prefer&connect_timeout=3"])
async def test_real_password(shop: str, scheme: str, options: str) -> None:
    """A password of special characters, percent-encoded, opens the database however the address is spelt."""
    engine = open_engine(address_of(f"{scheme}://{shop}{options}"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "clerk"
    await engine.dispose()


async def test_wrong_password(shop: str, guarded_server: str) -> None:
    """A wrong password, none, or an unknown user is refused with the user's name."""
    said = f"The database at {guarded_server} refuses the user %s or its password: see DATABASE_URL."
    assert str(await problem(f"postgresql://clerk:wrong@{guarded_server}/shop")) == said % "clerk"
    assert str(await problem(f"postgresql://clerk@{guarded_server}/shop")) == said % "clerk"
    assert str(await problem(f"postgresql://n%20obody:x@{guarded_server}/shop")) == said % "n obody"


async def test_missing_database(shop: str, guarded_server: str) -> None:
    """A missing database is named with the SQL that makes it."""
    found = await problem("postgresql://" + shop.replace("/shop", "/Shop%202"))
    assert str(found) == f'The server at {guarded_server} has no database named Shop 2: CREATE DATABASE "Shop 2";'


async def test_unreachable() -> None:
    """A server that isn't there is unreachable, by name, by number, by socket, and by TLS."""
    for url, reason in {
        "postgresql://me:s3cret@127.0.0.1:1/x": "127.0.0.1:1 can't be reached: nothing listens there",
        "postgresql://me:s3cret@localhost:1/x": "localhost:1 can't be reached: nothing listens there",
        "postgresql://me:s3cret@no-such-host.invalid/x": "no-such-host.invalid:5432 can't be reached: ",
        "postgresql:///x?host=/no/such/folder": "/no/such/folder can't be reached: there is no such socket",
        "postgresql://me:s3cret@127.0.0.1/x?sslmode=maybe": "127.0.0.1:5432 can't be reached: `sslmode` parameter",
    }.items():
        assert str(await problem(url)).startswith(f"The database at {reason}")


async def test_tls_refused(shop: str) -> None:
    """A server without TLS, where the address wants TLS, is told so."""
    assert "rejected SSL upgrade" in str(await problem(f"postgresql://{shop}?sslmode=require"))


PRIVILEGES = {
    "SELECT * FROM goods": "GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE goods TO clerk;",
    "SELECT nextval('numbers')": "GRANT ALL ON SEQUENCE numbers TO clerk;",
    "CREATE TABLE more (name text)": "GRANT USAGE, CREATE ON SCHEMA public TO clerk;",
    'CREATE TABLE "Back Room".more (name text)': 'GRANT USAGE, CREATE ON SCHEMA "Back Room" TO clerk;',
    "CREATE SCHEMA pegasus": "GRANT CONNECT, CREATE ON DATABASE shop TO clerk;",
    "ALTER TABLE goods ADD price int": "ALTER TABLE goods OWNER TO clerk;",
}


@pytest.mark.parametrize(("statement", "remedy"), PRIVILEGES.items())
async def test_missing_privilege(shop: str, guarded_server: str, statement: str, remedy: str) -> None:
    """A missing privilege is told with the SQL that grants it, and that SQL helps."""
    found = await problem(f"postgresql://{shop}", statement)
    assert str(found).endswith(f". An administrator can run: {remedy}")
    admin = await asyncpg.connect(f"postgresql://pegasus:top%2Fsecret@{guarded_server}/shop")
    await admin.execute(remedy)
    await admin.close()
    clerk = await asyncpg.connect(f"postgresql://{shop}")
    await clerk.execute(statement)
    await clerk.close()


async def test_no_usage_and_no_connect(shop: str, guarded_server: str) -> None:
    """Without USAGE on the schema, or CONNECT on the database, the grant is named all the same."""
    admin = await asyncpg.connect(f"postgresql://pegasus:top%2Fsecret@{guarded_server}/shop")
    await admin.execute("REVOKE ALL ON SCHEMA public FROM public")
    found = await problem(f"postgresql://{shop}", "CREATE TABLE more (name text)")
    assert str(found).endswith("GRANT USAGE, CREATE ON SCHEMA public TO clerk;")
    await admin.execute("REVOKE ALL ON DATABASE shop FROM public")
    found = await problem(f"postgresql://{shop}")
    assert str(found).endswith("GRANT CONNECT, CREATE ON DATABASE shop TO clerk;")
    await admin.close()


async def test_connection_lost(database: str, engine: AsyncEngine) -> None:
    """A connection that the server ends says so, and an error in a statement stays what it is."""
    async with engine.connect() as connection:
        with pytest.raises(DatabaseProblem, match="terminating connection"), explained(database):
            await connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))
    async with engine.connect() as connection:
        with pytest.raises(DBAPIError), explained(database):
            await connection.execute(text("SELECT 1 / 0"))


def connection_check(url: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ONE_LINER],
        cwd=BACKEND,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )


def test_connection_check(shop: str) -> None:
    """The documented connection check tells the truth: success, or one sentence as its last line."""
    checked = connection_check(f"postgres://{shop}")
    assert (checked.stdout, checked.returncode) == ("✅ Database connection works!\n", 0)
    checked = connection_check("postgresql://me:s3cret@127.0.0.1:1/x")
    assert checked.returncode != 0
    assert checked.stdout == ""
    assert checked.stderr.splitlines()[-1] == (
        "core.errors.DatabaseUnreachable: The database at 127.0.0.1:1 can't be reached: nothing listens there."
    )
    assert "s3cret" not in checked.stderr


async def test_session(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session that scripts import works, and rolls back what isn't committed."""
    monkeypatch.setenv("DATABASE_URL", database)
    async with async_session() as session:
        await session.execute(text("CREATE TABLE lost (number int)"))
    async with async_session() as session:
        found = await session.execute(text("SELECT to_regclass('lost')"))
        assert found.scalar_one() is None
