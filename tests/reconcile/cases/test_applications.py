"""Applications that env.py needs: what they do to their database while they are made isn't done here."""

from collections.abc import Callable

import pytest

from .test_unprepared import TABLES, WORKING, Found, database_of, find

__all__ = ["find"]
APPLICATION = """
from contextlib import nullcontext
from alembic import command
from alembic.config import Config
from sqlalchemy import Column, Integer, MetaData, Table, create_engine, text

URL = {url!r}
metadata = MetaData()
sessions = Table("sessions", metadata, Column("id", Integer, primary_key=True))


class Application:
    def app_context(self):
        return nullcontext()


def migrating():
    command.upgrade(Config("alembic.ini"), "head")
    return Application()


def creating():
    engine = create_engine(URL)
    metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO sessions VALUES (DEFAULT)"))
    return Application()


def creating_alone():
    with create_engine(URL, isolation_level="AUTOCOMMIT").connect() as connection:
        metadata.create_all(connection)
    with create_engine("sqlite:///sessions.sqlite").begin() as connection:
        metadata.create_all(connection)
    return Application()
"""


def with_application(project: Found) -> Found:
    (project.folder / "app.py").write_text(APPLICATION.format(url=project.url))
    return project


@pytest.mark.parametrize("factory", ["migrating", "creating_alone"])
def test_an_application_that_makes_tables(factory: str, find: Callable[[str], Found]) -> None:
    """Many applications migrate their database, or create tables, while they are made: not for a look or a heal."""
    project = with_application(find(WORKING["an engine of its own"]))
    server, name = project.bench.server, database_of(project)
    named = ("--app", f"app:{factory}")
    assert project.call("status", *named).returncode == 13
    assert server.value(TABLES, database=name) == ""
    server.run("CREATE TABLE notes (id serial PRIMARY KEY)", "ALTER TABLE notes ADD title varchar(40)", database=name)
    healed = project.call("heal", *named)
    assert (healed.returncode, healed.stdout.startswith("adopted: ")) == (0, True)
    assert server.value(TABLES, database=name) == "alembic_version notes"


def test_an_application_that_needs_what_it_made(find: Callable[[str], Found]) -> None:
    """One that needs its own writes to be made is told of PostgreSQL's answer, and nothing is changed."""
    project = with_application(find(WORKING["an engine of its own"]))
    refused = project.call("heal", "--app", "app:creating")
    assert refused.returncode == 1
    assert refused.stderr.startswith(
        'error: The application can\'t be made: PostgreSQL says: relation "sessions" does not exist'
    )
    assert "nor keeps what it writes: name one that needs neither, with --app module:name" in refused.stderr
    assert project.bench.server.value(TABLES, database=database_of(project)) == ""


def test_an_application_that_is_a_class(find: Callable[[str], Found]) -> None:
    """A class is what makes the application, even if its objects have a context."""
    project = with_application(find(WORKING["an engine of its own"]))
    assert project.call("status", "--app", "app:Application").returncode == 13
