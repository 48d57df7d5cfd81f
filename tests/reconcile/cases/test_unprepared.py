"""Projects as they come: no tape, and an env.py in any of its usual forms."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.postgres.binaries import find_binaries

from .bare import Ran
from .project import INI
from .trial import FAILURES, Bench

RUN = """
import os
from alembic import context
from sqlalchemy import create_engine, pool, text

config = context.config
URL = config.get_main_option("sqlalchemy.url")


def run(connection, **options):
    context.configure(connection=connection, **options)
    with context.begin_transaction():
        context.run_migrations()


"""
OWN = "with create_engine(URL, poolclass=pool.NullPool).connect() as connection:\n    "
CREATOR = """
import psycopg

address = URL.replace("+psycopg", "")
engine = create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(address))
"""
WORKING = {
    "a connection that its caller brings": "run(config.attributes['connection'])",
    "a connection or nothing": "run(config.attributes.get('connection'))",
    "an engine that its caller brings": "with config.attributes['engine'].connect() as own:\n    run(own)",
    "an engine by the name of a connection": (
        "connectable = config.attributes.get('connection') or create_engine(URL)\n"
        "with connectable.connect() as connection:\n    run(connection)"
    ),
    "an engine that begins": (
        "connectable = config.attributes.get('connectable') or create_engine(URL)\n"
        "with connectable.begin() as connection:\n    run(connection)"
    ),
    "an engine of its own": f"{OWN}run(connection)",
    "a thread of its own": (
        "import threading\n\n\ndef go():\n    with create_engine(URL).connect() as own:\n        run(own)\n"
        "\n\nthread = threading.Thread(target=go)\nthread.start()\nthread.join()"
    ),
    "a schema for the version, which nobody makes": f"{OWN}run(connection, version_table_schema='meta')",
    "a schema for the version, which it makes": (
        f"{OWN}connection.execute(text('CREATE SCHEMA IF NOT EXISTS meta'))\n    connection.commit()\n"
        "    run(connection, version_table_schema='meta')"
    ),
    "logging that disables everybody else's": (
        "import logging.config\n"
        "logging.config.dictConfig({'version': 1, 'root': {'level': 'INFO'}, 'disable_existing_loggers': True})\n"
        f"{OWN}run(connection)"
    ),
}
REFUSED = {
    "an argument": (
        f"name = context.get_x_argument(as_dictionary=True)['tenant']\n{OWN}run(connection)",
        "env.py, line 16 raised KeyError: 'tenant': if that is an argument for env.py, give it by -x tenant=…",
    ),
    "another database": (
        "with create_engine('sqlite://').connect() as connection:\n    run(connection)",
        "The project's database is sqlite, and only PostgreSQL is known here",
    ),
    "a driver that isn't installed": (
        "create_engine('postgresql+psycopg2://')",
        "No module named 'psycopg2': install what brings psycopg2 into this environment",
    ),
    "the template's address": (
        "create_engine('driver://user:pass@localhost/dbname')",
        "Can't load plugin: sqlalchemy.dialects:driver: put the database's address into sqlalchemy.url",
    ),
    "no connection that it can have": (
        "URL = None\nconfig.attributes['session']",
        "env.py, line 17 raised KeyError: 'session'",
    ),
    "an end": ("import sys\n\nsys.exit('set DATABASE_URL')", "env.py ends the program, with 'set DATABASE_URL'"),
    "nothing": ("", "env.py runs no migrations"),
    "a server that isn't there": (
        "with create_engine('postgresql+psycopg://u:hush@127.0.0.1:1/x').connect() as connection:\n    run(connection)",
        "Connection refused",
    ),
    "a way to connect of its own": (
        f"{CREATOR}with engine.connect() as connection:\n    run(connection)",
        "env.py's engine connects by a function of its own (creator)",
    ),
}
NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True))'
TITLE = 'op.add_column("notes", sa.Column("title", sa.String(40)))'
TAGS = 'op.create_table("tags", sa.Column("id", sa.Integer, primary_key=True))'
TABLES = "SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = 'public'"
REVISION = """
import sqlalchemy as sa
from alembic import op

revision = {name!r}
down_revision = {before!r}
branch_labels = {label!r}


def upgrade():
    {statement}
"""


@dataclass(frozen=True)
class Found:
    """A project in a folder, with a database of its own, in which nobody has recorded anything."""

    folder: Path
    bench: Bench
    url: str

    def call(self, *arguments: str, **variables: str) -> Ran:
        """Calls reconcile in the folder; none of its own code may fail."""
        cache = {"XDG_CACHE_HOME": str(self.folder / ".cache")}
        ran = self.bench.bare.call("reconcile", *arguments, folder=self.folder, **(cache | variables))
        assert not any(failure in ran.stdout + ran.stderr for failure in FAILURES), ran
        return ran

    def revision(
        self, name: str, statement: str, *, before: str | None = None, label: str | None = None, under: str = "versions"
    ) -> None:
        """Writes a revision's file."""
        (self.folder / under).mkdir(exist_ok=True)
        text = REVISION.format(name=name, before=before, label=label, statement=statement)
        (self.folder / under / f"{name}.py").write_text(text)


@pytest.fixture
def find(bench: Bench, tmp_path: Path) -> Iterator[Callable[[str], Found]]:
    """A function that makes a project with an env.py."""
    with bench.server.database() as database:

        def make(env: str) -> Found:
            url = bench.server.at(database).replace("postgresql://", "postgresql+psycopg://")
            (tmp_path / "alembic.ini").write_text(INI.format(url=url.replace("%", "%%")))
            (tmp_path / "env.py").write_text(RUN + env)
            project = Found(tmp_path, bench, url)
            project.revision("r1", NOTES)
            project.revision("r2", TITLE, before="r1")
            return project

        yield make


def comes_well(project: Found) -> None:
    """It says that there is nothing yet, or no more than a schema is missing, heals, and finds all well."""
    assert project.call("status").returncode in (12, 13)
    assert "Verified" in project.call("heal").stdout
    status = project.call("status")
    assert (status.returncode, status.stderr) == (0, "")


@pytest.mark.parametrize("form", WORKING)
def test_env_as_it_is(form: str, find: Callable[[str], Found]) -> None:
    """Whatever env.py expects, the project is looked at and healed without a change to it, and says nothing else."""
    comes_well(find(WORKING[form]))


@pytest.mark.parametrize("form", REFUSED)
def test_refused_in_a_sentence(form: str, find: Callable[[str], Found]) -> None:
    """What can't be done is a sentence with the way on, and no password is in it."""
    env, sentence = REFUSED[form]
    refused = find(env).call("status")
    assert sentence in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert refused.stdout == ""
    assert refused.returncode in (1, 23)
    assert "hush" not in refused.stderr


def test_an_argument_that_is_given(find: Callable[[str], Found]) -> None:
    """What env.py wants of `-x` reaches it each time that it runs, and commands that are advised repeat it."""
    project = find(REFUSED["an argument"][0])
    assert project.call("heal", "-x", "tenant=one").returncode == 0
    project.bench.server.run("UPDATE alembic_version SET version_num = 'x y'", database=database_of(project))
    advised = project.call("status", "-x", "tenant=one").stdout
    assert "python -m reconcile heal -x tenant=one --assume r2" in advised


def database_of(project: Found) -> str:
    [name] = re.findall(r"case_[0-9a-f]{16}", project.url)
    return str(name)


@pytest.mark.parametrize("option", ["--url", "--scratch"])
def test_what_is_no_address(option: str, find: Callable[[str], Found]) -> None:
    """A slip in an address is a sentence, too."""
    refused = find(WORKING["an engine of its own"]).call("status", option, "localhost:5432")
    assert refused.returncode == 2
    assert "it isn't an address such as postgresql+psycopg://user@host/name" in refused.stderr


def test_an_address_that_is_given(find: Callable[[str], Found]) -> None:
    """Where only a caller knows the address, `--url` does."""
    project = find(WORKING["a connection that its caller brings"])
    ini = project.folder / "alembic.ini"
    ini.write_text("\n".join(line for line in ini.read_text().splitlines() if not line.startswith("sqlalchemy.url")))
    refused = project.call("status")
    assert "it expects that its caller brings the connection; give the database's address by --url" in refused.stderr
    assert project.call("heal", "--url", project.url).returncode == 0
    assert project.call("status", "--url", project.url).returncode == 0


@pytest.mark.parametrize("under", ["versions", "more"])
def test_several_heads(under: str, find: Callable[[str], Found]) -> None:
    """Of labelled branches, in one folder or in several, each is located, healed and stamped by itself."""
    project = find(WORKING["an engine of its own"])
    ini = project.folder / "alembic.ini"
    ini.write_text(f"{ini.read_text()}\nversion_locations = %(here)s/versions{os.pathsep}%(here)s/more\n")
    (project.folder / "more").mkdir()
    project.revision("r1", NOTES, label="notes")
    project.revision("s1", TAGS, under=under)
    assert "give each branch a label" in project.call("status").stderr
    project.revision("s1", TAGS, label="tags", under=under)
    comes_well(project)
    server, name = project.bench.server, database_of(project)
    assert (
        server.value("SELECT string_agg(version_num, ' ' ORDER BY version_num) FROM alembic_version", database=name)
        == "r2 s1"
    )
    server.run("DROP TABLE tags", "DELETE FROM alembic_version WHERE version_num = 's1'", database=name)
    behind = project.call("status")
    assert (behind.returncode, "behind: the database is at revision r2" in behind.stdout) == (10, True)
    assert project.call("heal").returncode == 0
    server.run("ALTER TABLE notes DROP COLUMN title", database=name)
    assert "notes.title comes back empty" in project.call("heal").stdout
    assert project.call("status").returncode == 0


def test_a_folder_without_a_project(bench: Bench, tmp_path: Path) -> None:
    """Where there is none it is said what was looked for, and what lies nearby."""
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "alembic.ini").write_text("[alembic]\n")
    refused = bench.bare.call("reconcile", "status", folder=tmp_path)
    assert refused.returncode == 23
    assert refused.stderr.endswith("name the file with -c, such as -c service/alembic.ini\n")


def test_what_was_played_is_kept(find: Callable[[str], Found]) -> None:
    """The chain is played once: again only when a revision changes; a damaged file in the cache is as none."""
    project = find(WORKING["an engine of its own"])
    nowhere = ("--scratch", "postgresql://u@127.0.0.1:1/x")
    assert "No scratch database can be made" in project.call("status", *nowhere).stderr
    assert project.call("status").returncode == 13
    assert project.call("status", *nowhere).returncode == 13
    project.revision("r2", TITLE.replace("40", "41"), before="r1")
    assert "No scratch database can be made" in project.call("status", *nowhere).stderr
    project.revision("r2", TITLE, before="r1")
    for path in (project.folder / ".cache" / "alembic-reconcile").glob("*.json"):
        path.write_text("{")
    assert "No scratch database can be made" in project.call("status", *nowhere).stderr
    assert project.call("status").returncode == 13
    assert project.call("status", XDG_CACHE_HOME="/proc/none").returncode == 13


def test_a_role_that_may_create_no_database(find: Callable[[str], Found]) -> None:
    """Then the chain is played on a PostgreSQL of its own, in the name of that role, and the live one is read."""
    project = find(WORKING["an engine of its own"])
    server, name = project.bench.server, database_of(project)
    with server.role() as role:
        server.run(f"ALTER ROLE {role} NOCREATEDB", f"ALTER DATABASE {name} OWNER TO {role}", database=name)
        url = server.at(name, role=role).replace("postgresql://", "postgresql+psycopg://")
        binaries, _ = find_binaries()
        path = f"{binaries}:{os.environ['PATH']}"
        assert project.call("status", "--url", url, PATH=path).returncode == 13
        assert project.call("heal", "--url", url).returncode == 0
        server.run(f"ALTER DATABASE {name} OWNER TO pegasus", f"REASSIGN OWNED BY {role} TO pegasus", database=name)


@pytest.mark.parametrize("location", [".", "migrations", "gone"])
def test_a_folder_that_says_it_is_elsewhere(location: str, find: Callable[[str], Found]) -> None:
    """Scripts that the working directory doesn't have lie beside the ini: there, or where it names them from there."""
    project = find(WORKING["an engine of its own"])
    ini = project.folder / "alembic.ini"
    ini.write_text(ini.read_text().replace("script_location = %(here)s", f"script_location = {location}"))
    if location == "migrations":
        (project.folder / location).mkdir()
        for path in ("env.py", "versions"):
            (project.folder / path).rename(project.folder / location / path)
    (project.folder / "elsewhere").mkdir()
    cache = {"XDG_CACHE_HOME": str(project.folder / ".cache")}
    found = project.bench.bare.call(
        "reconcile", "status", "-c", str(project.folder), folder=project.folder / "elsewhere", **cache
    )
    assert (found.returncode, found.stderr) == (13, "")


UNPLAYED = {
    "what its application gives": ("raise LookupError('no settings')", "name what makes that: --app module:name."),
    "what isn't there": (
        'op.add_column("users", sa.Column("age", sa.Integer))',
        "a file of SQL may make what it needs: python -m reconcile record --base FILE.",
    ),
}


@pytest.mark.parametrize("needs", UNPLAYED)
def test_a_chain_that_does_not_begin_with_nothing(needs: str, find: Callable[[str], Found]) -> None:
    """A first revision that fails says by which options it may get what it needs."""
    statement, way_on = UNPLAYED[needs]
    project = find(WORKING["an engine of its own"])
    project.revision("r1", statement)
    refused = project.call("status")
    assert (refused.returncode, way_on in refused.stderr) == (1, True), refused


def test_a_first_revision_of_nothing(find: Callable[[str], Found]) -> None:
    """Where `create_all` has made what the first revision stands for, the second one fails, and both ways are named."""
    project = find(WORKING["an engine of its own"])
    project.revision("r1", "pass")
    ways = "record --base FILE; what is before it can be recorded: python -m reconcile record --to r1."
    assert ways in project.call("status").stderr


def test_an_address_that_nobody_knows(find: Callable[[str], Found]) -> None:
    """Where no address is configured and env.py gives up, in its own words, the option for it is named."""
    project = find("raise RuntimeError('no connection in the config')")
    ini = project.folder / "alembic.ini"
    ini.write_text("\n".join(line for line in ini.read_text().splitlines() if not line.startswith("sqlalchemy.url")))
    assert "expects a connection of its caller, give the database's address by --url" in project.call("status").stderr


def test_nothing_but_the_answer(find: Callable[[str], Found]) -> None:
    """Where nobody looks on at a terminal, an env.py that has all logged gets no line of progress to log."""
    loud = "import logging\nlogging.getLogger().setLevel(logging.INFO)\n" + WORKING["an engine of its own"]
    assert find(loud).call("status").stderr == ""


SECTION = """
[only_{name}]
script_location = %(here)s/both
databases = {name}
"""


@pytest.mark.parametrize("name", ["engine1", "engine2"])
def test_one_of_several_databases(name: str, bench: Bench, tmp_path: Path) -> None:
    """Of those of Alembic's template multidb one is looked at by a section that names it alone, as the refusal says."""
    assert bench.bare.call("alembic", "init", "-t", "multidb", "both", folder=tmp_path).returncode == 0
    revision = f"{REVISION.format(name='r1', before=None, label=None, statement='pass')}"
    made = f"def upgrade(engine_name):\n    {NOTES}"
    (tmp_path / "both" / "versions" / "r1.py").write_text(revision.replace("def upgrade():\n    pass", made))
    ini, server = tmp_path / "alembic.ini", bench.server
    with server.database() as one, server.database() as other:
        text = ini.read_text()
        for database, address in ((other, "localhost/dbname2"), (one, "localhost/dbname")):
            url = server.at(database).replace("postgresql://", "postgresql+psycopg://").replace("%", "%%")
            text = text.replace(f"driver://user:pass@{address}", url)
        ini.write_text(text + SECTION.format(name=name))

        def call(*arguments: str) -> Ran:
            return bench.bare.call("reconcile", *arguments, folder=tmp_path, XDG_CACHE_HOME=str(tmp_path / ".cache"))

        assert "a section of alembic.ini with one name under databases (-n)" in call("status").stderr
        healed = call("heal", "-n", f"only_{name}")
        assert (healed.returncode, "Verified" in healed.stdout) == (0, True), healed
        tables = {"engine1": server.value(TABLES, database=one), "engine2": server.value(TABLES, database=other)}
        assert tables == {"engine1": "", "engine2": ""} | {name: "alembic_version notes"}
