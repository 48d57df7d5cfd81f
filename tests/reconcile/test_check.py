"""`reconcile check`: what it says of locks is what PostgreSQL does, and it notices what is stale."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from .chains import reconcile
from .new_chains import ALONE, write_chain
from .tenants import new_database

pytestmark = pytest.mark.timeout(300)
STALE, OBJECTIONABLE = 23, 25
CHAIN = {
    "a01": ("CREATE TABLE t (id integer PRIMARY KEY, name varchar(40), amount numeric(8,2), born timestamp)",),
    "a02": ("CREATE TABLE other (id integer PRIMARY KEY, t_id integer)",),
    "a03": ("ALTER TABLE t ADD COLUMN plain text",),
    "a04": ("ALTER TABLE t ADD COLUMN made timestamptz DEFAULT now() NOT NULL",),
    "a05": ("ALTER TABLE t ADD COLUMN drawn double precision DEFAULT random()",),
    "a06": ("ALTER TABLE t ADD COLUMN code text DEFAULT 'a(b)' NOT NULL",),
    "a07": ("ALTER TABLE t ADD COLUMN twice integer GENERATED ALWAYS AS (id * 2) STORED",),
    "a08": ("ALTER TABLE t ADD COLUMN number bigint GENERATED ALWAYS AS IDENTITY",),
    "a09": ("ALTER TABLE t ALTER name TYPE varchar(80)",),
    "a10": ("ALTER TABLE t ALTER name TYPE text",),
    "a11": ("ALTER TABLE t ALTER name TYPE varchar(100)",),
    "a12": ("ALTER TABLE t ALTER amount TYPE numeric(10,2)",),
    "a13": ("ALTER TABLE t ALTER amount TYPE numeric(10,3)",),
    "a14": ("ALTER TABLE t ALTER plain SET NOT NULL",),
    "a15": ("ALTER TABLE t ALTER plain SET DEFAULT 'x'",),
    "a16": ("CREATE INDEX ix_name ON t (name)",),
    "a17": (f"{ALONE}CREATE INDEX CONCURRENTLY ix_code ON t (code)",),
    "a18": ("ALTER TABLE t ADD CONSTRAINT uq_code UNIQUE (code)",),
    "a19": ("ALTER TABLE t ADD CONSTRAINT positive CHECK (amount > 0)",),
    "a20": ("ALTER TABLE t ADD CONSTRAINT small CHECK (amount < 100) NOT VALID",),
    "a21": ("ALTER TABLE t VALIDATE CONSTRAINT small",),
    "a22": ("ALTER TABLE other ADD CONSTRAINT fk FOREIGN KEY (t_id) REFERENCES t (id)",),
    "a23": ("UPDATE t SET name = name",),
    "a24": ("ALTER TABLE t DROP COLUMN born",),
    "a25": ("DROP INDEX ix_name",),
    "a26": ("ALTER TABLE t ENABLE ROW LEVEL SECURITY",),
}
LOCKS = {
    "RowExclusiveLock": "ROW EXCLUSIVE",
    "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE",
    "ShareLock": "SHARE",
    "ShareRowExclusiveLock": "SHARE ROW EXCLUSIVE",
    "AccessExclusiveLock": "ACCESS EXCLUSIVE",
}
HELD = "SELECT mode FROM pg_locks WHERE relation = CAST(%s AS regclass) AND pid = pg_backend_pid() AND granted"
FILE = "SELECT pg_relation_filenode('t')"
MIXED = {
    "m1": ("CREATE TABLE jobs (id integer PRIMARY KEY, tries integer)",),
    "m2": ("UPDATE jobs SET tries = 0", f"{ALONE}CREATE INDEX CONCURRENTLY ix_tries ON jobs (tries)"),
}


@pytest.fixture(scope="module")
def address(server_address: str) -> Iterator[str]:
    with new_database(server_address) as address:
        yield address


def checked(ini: Path, *arguments: str) -> dict[str, Any]:
    """What the command prints as JSON."""
    answer: dict[str, Any] = json.loads(reconcile("check", "-c", str(ini), "--json", *arguments).stdout)
    return answer


def test_locks(address: str, tmp_path: Path) -> None:
    """Each lock, and each rewriting, is the one that PostgreSQL takes and does."""
    ini = write_chain(tmp_path / "project", address, CHAIN)
    assert reconcile("record", "-c", str(ini)).returncode == 0
    impacts = {one["revision"]: {it["table"]: it for it in one["tables"]} for one in checked(ini)["revisions"]}
    with psycopg.connect(address) as connection:
        for revision, (statement,) in CHAIN.items():
            if statement.startswith(ALONE):  # ends its own transactions, and with them the locks
                assert impacts[revision]["t"]["lock"] == "SHARE UPDATE EXCLUSIVE"
                inside = statement.removeprefix(ALONE).replace(" CONCURRENTLY", "")
                connection.execute(inside.encode())
                connection.commit()
                continue
            existing = connection.execute("SELECT relname FROM pg_class WHERE relname IN ('t', 'other')").fetchall()
            before = connection.execute(FILE.encode()).fetchone() if ("t",) in existing else None
            connection.commit()
            connection.execute(statement.encode())
            for (table,) in existing:
                modes = {mode for (mode,) in connection.execute(HELD.encode(), (table,))} & LOCKS.keys()
                strongest = max(modes, key=list(LOCKS).index, default=None)
                impact = impacts[revision].get(table)
                assert (impact["lock"] if impact else None) == (strongest and LOCKS[strongest]), (statement, table)
                if table == "t":
                    rewritten = connection.execute(FILE.encode()).fetchone() != before
                    assert ("rewrites" in impact["work"] if impact else False) == rewritten, statement
            connection.commit()


def test_advice(address: str, tmp_path: Path) -> None:
    """A revision that moves rows and then leaves its transaction had better be two; what is wrong can fail a build."""
    ini = write_chain(tmp_path / "project", address, MIXED)
    assert reconcile("record", "-c", str(ini)).returncode == 0
    [first, second] = checked(ini)["revisions"]
    assert first["advice"] == []
    assert ["Put rows and index into two revisions" in sentence for sentence in second["advice"]] == [True]
    assert reconcile("check", "-c", str(ini)).returncode == 0
    assert reconcile("check", "-c", str(ini), "--strict").returncode == OBJECTIONABLE
    path = tmp_path / "project" / "migrations" / "versions" / "m2.py"
    path.write_text(path.read_text().replace("= 0", "= 1"))
    assert reconcile("check", "-c", str(ini)).returncode == STALE


def test_new_ones(address: str, tmp_path: Path) -> None:
    """Since a commit only what was added or changed behind it counts, committed or not."""
    ini = write_chain(tmp_path / "project", address, {"m1": MIXED["m1"]})
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *command], check=True, capture_output=True)
    assert reconcile("record", "-c", str(ini)).returncode == 0
    assert checked(ini, "--since", "HEAD")["revisions"] == []
    later = write_chain(tmp_path / "later", address, MIXED).parent / "migrations" / "versions" / "m2.py"
    later.rename(tmp_path / "project" / "migrations" / "versions" / "m2.py")
    assert reconcile("record", "-c", str(ini)).returncode == 0
    assert [one["revision"] for one in checked(ini, "--since", "HEAD")["revisions"]] == ["m2"]
    unknown = reconcile("check", "-c", str(ini), "--since", "nowhere")
    assert "new since nowhere can't be found" in unknown.stderr
