"""Pegasus where its user's names resolve elsewhere than in `public`: it heals there, serves there, and nowhere else."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.api.test_main import forked
from tests.audio.samples import recording

from .cases.databases import Server

# How names come to resolve elsewhere, and where: SQL of a superuser; {role} is who connects.
PATHS = {
    "a schema named like the user": ('CREATE SCHEMA "{role}" AUTHORIZATION "{role}"', "{role}"),
    "by the role": ('CREATE SCHEMA app AUTHORIZATION "{role}"; ALTER ROLE "{role}" SET search_path = app', "app"),
    "by the database": (
        'CREATE SCHEMA app AUTHORIZATION "{role}"; ALTER DATABASE {database} SET search_path = app, public',
        "app",
    ),
    "a name that is quoted": (
        'CREATE SCHEMA "My App" AUTHORIZATION "{role}"; ALTER ROLE "{role}" SET search_path = "My App", public',
        "My App",
    ),
}
WHERE = "SELECT schemaname FROM pg_tables WHERE tablename = %s ORDER BY 1"


@contextmanager
def prepared(server: Server, path: str) -> Iterator[tuple[str, str]]:
    """A database in which a role that is no superuser may make schemas, but nothing in `public`; and its schema."""
    with server.role() as role, server.database() as database:
        sql, schema = (text.replace("{role}", role).replace("{database}", database) for text in PATHS[path])
        server.run("REVOKE CREATE ON SCHEMA public FROM PUBLIC", sql, database=database)
        server.administer(f'GRANT CREATE ON DATABASE {database} TO "{role}"')
        yield server.at(database, role=role), schema


@pytest.mark.parametrize("path", PATHS)
def test_it_serves_where_its_names_resolve(server_address: str, tmp_path: Path, path: str) -> None:
    """It makes one set of tables, finds it again at the next start, and keeps recordings in it."""
    server = Server(server_address)
    with prepared(server, path) as (address, schema):
        for start in (1, 2):
            with forked(tmp_path, DATABASE_URL=address) as run, httpx.Client(base_url=run.url()) as client:
                files = {"file": ("memo.wav", recording("wav"))}
                uploaded = client.post("/api/audio/upload", files=files, data={"tag": "Пример"})
                assert uploaded.status_code == 200, uploaded.text
                assert client.get("/api/audio/", params={"tag": "Пример"}).json()["total"] == start
                assert client.get("/api/audio/tags").json()["tags"] == ["Пример"]
                assert run.end(15) == 0
            with psycopg.connect(address) as connection:
                for table in ("audio_files", "alembic_version"):
                    assert (schema,) in connection.execute(WHERE, (table,)).fetchall()
                assert connection.execute(WHERE, ("audio_files",)).fetchall() == [(schema,)]
