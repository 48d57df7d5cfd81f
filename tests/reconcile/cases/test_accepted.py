"""Databases that aren't what the chain makes and are right all the same: the models made them, or people say so."""

import json
from collections.abc import Callable

from .test_unprepared import WORKING, Found, database_of, find

__all__ = ["find"]
MODELS = """
import sqlalchemy as sa

metadata = sa.MetaData()
notes = sa.Table(
    "notes",
    metadata,
    sa.Column("title", sa.String({length}), index=True),
    sa.Column("id", sa.BigInteger, primary_key=True),{more}
)
"""
DONE = '\n    sa.Column("done", sa.Boolean),'
BY_MODELS = (  # what create_all sends for them
    "CREATE TABLE notes (title varchar(30), id bigserial NOT NULL, PRIMARY KEY (id))",
    "CREATE INDEX ix_notes_title ON notes (title)",
    "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
    "INSERT INTO alembic_version VALUES ('r2')",
)
ENV = WORKING["an engine of its own"]


def test_an_end_that_the_models_make(find: Callable[[str], Found]) -> None:
    """After `record --models` a database that `create_all` made is at the head, and what it lacks is still mended."""
    found = find(ENV)
    models = found.folder / "models.py"
    models.write_text(MODELS.format(length=30, more=""))
    server, name = found.bench.server, database_of(found)
    server.run(*BY_MODELS, database=name)
    assert found.call("status").returncode == 20
    assert found.call("record", "--models", "models").returncode == 0
    status = found.call("status")
    assert (status.returncode, "known to be fine" in status.stdout) == (0, True)
    server.run(
        "INSERT INTO notes (title) VALUES ('one')", "ALTER TABLE notes ALTER title TYPE int USING 1", database=name
    )
    assert "column notes.title is integer" in found.call("status").stdout
    server.run("ALTER TABLE notes ALTER title TYPE varchar(30)", database=name)
    assert found.call("status").returncode == 0
    assert found.call("record", "--check").returncode == 0
    models.write_text(MODELS.format(length=31, more=""))
    assert found.call("record", "--check").returncode == 1
    models.write_text("metadata = None\n")
    assert "models makes no schema" in found.call("record", "--models", "models").stderr


def test_models_that_nobody_named(find: Callable[[str], Found]) -> None:
    """Where the head is on record and several tables differ, the refusal says how the models can be named, once."""
    found = find(ENV)
    found.revision("r3", 'op.create_table("tags", sa.Column("id", sa.Integer, primary_key=True))', before="r2")
    server, name = found.bench.server, database_of(found)
    server.run(*BY_MODELS, "UPDATE alembic_version SET version_num = 'r3'", database=name)
    hint = "its metadata tells what is right: python -m reconcile record --models MODULE:METADATA"
    assert hint in found.call("status").stdout
    assert "heal --assume base" in found.call("status").stdout
    assert "heal --assume base" not in found.call("plan", "--assume", "base").stdout
    server.run("CREATE TABLE tags (id serial PRIMARY KEY)", database=name)
    assert hint not in found.call("status").stdout


def test_a_chain_that_goes_on_behind_them(find: Callable[[str], Found]) -> None:
    """Such a database is upgraded by the next revision, and what the models made stays as they made it."""
    found = find(ENV)
    (found.folder / "models.py").write_text(MODELS.format(length=30, more=DONE))
    server, name = found.bench.server, database_of(found)
    server.run(*BY_MODELS, database=name)
    found.revision("r3", 'op.add_column("notes", sa.Column("done", sa.Boolean))', before="r2")
    assert found.call("record", "--models", "models").returncode == 0
    healed = found.call("heal")
    assert (healed.returncode, healed.stdout.startswith("behind: "), "Verified" in healed.stdout) == (0, True, True)
    assert server.value("SELECT count(done) FROM notes", database=name) == "0"
    assert (
        server.value(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attname = 'title'"
            " AND attrelid = 'notes'::regclass",
            database=name,
        )
        == "character varying(30)"
    )


def test_what_is_lost_is_missed(find: Callable[[str], Found]) -> None:
    """A table that only the chain makes may be missing where the models made the rest, and nowhere else."""
    found = find(ENV)
    (found.folder / "models.py").write_text(MODELS.format(length=30, more=""))
    found.revision("r3", 'op.create_table("legacy", sa.Column("id", sa.Integer, primary_key=True))', before="r2")
    assert found.call("record", "--models", "models").returncode == 0
    server, name = found.bench.server, database_of(found)
    server.run(*BY_MODELS, "UPDATE alembic_version SET version_num = 'r3'", database=name)
    assert found.call("status").returncode == 0
    server.run("DROP TABLE notes, alembic_version", database=name)
    assert found.call("heal").returncode == 0
    server.run("DROP TABLE legacy", database=name)
    lost = found.call("status")
    assert (lost.returncode, "legacy" in lost.stdout) == (12, True)


def test_what_people_accept(find: Callable[[str], Found]) -> None:
    """What is accepted, with its reason, is told no more; what is new is; nothing that breaks is accepted unasked."""
    found = find(ENV)
    assert found.call("heal").returncode == 0
    server, name = found.bench.server, database_of(found)
    server.run("CREATE INDEX theirs ON notes (title)", database=name)
    assert "index theirs on notes is not ours" in found.call("status").stdout
    assert found.call("accept", "--reason", "the reports need it", "--by", "Ada").returncode == 0
    status = found.call("status").stdout
    assert "theirs" not in status
    assert "1 difference is known to be fine" in status
    server.run("ALTER TABLE notes ALTER title TYPE varchar(9)", database=name)
    assert found.call("status").returncode == 20
    refused = found.call("accept", "--reason", "no title is longer")
    assert refused.returncode == 20
    assert "To accept it all the same, --yes" in refused.stderr
    assert found.call("status").returncode == 20
    assert found.call("accept", "column notes.title", "--reason", "no title is longer", "--yes").returncode == 0
    assert found.call("status").returncode == 0
    assert found.call("heal").returncode == 0
    accepted = json.loads((found.folder / "accepted.json").read_text())
    assert [(item["object"], item["reason"]) for item in accepted] == [
        ("column notes.title", "no title is longer"),
        ("index theirs on notes", "the reports need it"),
    ]
    assert accepted[1]["by"] == "Ada"
    server.run("ALTER TABLE notes ALTER title TYPE varchar(8)", database=name)
    assert found.call("status").returncode == 20
    (found.folder / "accepted.json").write_text("[{}]")
    unreadable = found.call("status")
    assert (unreadable.returncode, unreadable.stderr.startswith("unreadable: accepted.json can't be read")) == (
        23,
        True,
    )
