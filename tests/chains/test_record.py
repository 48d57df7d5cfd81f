"""Recording: what a tape says of chains that use all of PostgreSQL and Alembic, and how it reads in review."""

import difflib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from reconcile.sql.split import split
from tests.forks import ended_fork

from .bench import Bench, sqlalchemy_address
from .chains import CHAINS, LIBRARY, SYNC, Chain

BACKEND = Path(__file__).parents[2] / "backend"
KINDS = {"additive": "+", "destructive": "-", "neutral": ".", "data": "d", "opaque": "o"}


def reconcile(bench: Bench, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line, as anyone calls it in a project of their own."""
    return ended_fork("-m", "reconcile", *arguments, CHAIN_DATABASE=sqlalchemy_address(bench.address(database)))


def base_of(chain: Chain) -> list[str]:
    return ["--base", str(chain.base_file)] if chain.base_file else []


@pytest.mark.parametrize("name", CHAINS)
async def test_recorded(name: str, bench: Bench) -> None:
    """The tape on file is what the chain does, and recording it leaves the project's own database alone."""
    chain, database = CHAINS[name], await bench.make()
    done = reconcile(bench, database, "record", "--check", "-c", str(chain.ini), *base_of(chain))
    assert done.returncode == 0, done.stderr
    state = await bench.state(database, chain.project.tape)
    assert (state.claimed, state.rows) == (None, {})
    assert not state.schema


@pytest.mark.parametrize("name", CHAINS)
def test_kinds(name: str) -> None:
    """Each statement is of the kind that a person would say it is, and known to need no transaction where it does."""
    chain = CHAINS[name]
    for revision in chain.project.tape.revisions:
        found = [
            (KINDS[item.kind].upper() if item.kind == "opaque" and item.effects else KINDS[item.kind])
            + ("" if item.transactional else "|")
            for item in revision.statements
        ]
        assert " ".join(found) == chain.statements[revision.id], revision.id
        assert revision.replay_safe is (revision.id in chain.again)


async def test_command_line(bench: Bench, tmp_path: Path) -> None:
    """A project records, changes, is told that its tape is stale, records again, heals, and sees what was done."""
    folder, database = shutil.copytree(LIBRARY.ini.parent, tmp_path / "library"), await bench.make()
    ini, tape = str(folder / "alembic.ini"), folder / "tape.json"
    before = tape.read_text()
    tape.unlink()
    assert reconcile(bench, database, "record", "-c", ini).returncode == 0
    assert tape.read_text() == before
    (folder / "versions" / "l16_shelve.py").write_text(
        'from alembic import op\nrevision = "l16"\ndown_revision = "l15"\n\n\ndef upgrade():\n'
        '    op.execute("ALTER TABLE racks ADD COLUMN full_up boolean")\n'
    )
    stale = reconcile(bench, database, "record", "--check", "-c", ini)
    assert stale.returncode == 1
    assert "record it again" in stale.stderr
    refused = reconcile(bench, database, "heal", "-c", ini)
    assert (refused.returncode, refused.stdout) == (23, "")
    assert "l16" in refused.stderr
    assert reconcile(bench, database, "record", "-c", ini).returncode == 0
    changed = [line for line in difflib.ndiff(before.splitlines(), tape.read_text().splitlines()) if line[0] in "+-"]
    assert len(changed) < 25, "one small revision is one small change in review"
    healed = reconcile(bench, database, "heal", "-c", ini, "--json")
    assert (healed.returncode, json.loads(healed.stdout)["outcome"]) == (0, "healed")
    status = reconcile(bench, database, "status", "-c", ini)
    assert (status.returncode, status.stdout[:8]) == (0, "current:")
    history = json.loads(reconcile(bench, database, "history", "-c", ini, "--json").stdout)
    assert [entry["outcome"] for entry in history] == ["healed"]


@pytest.mark.parametrize("name", CHAINS)
def test_small(name: str) -> None:
    """A tape is of the order of its revisions' own size: deltas, not snapshots."""
    folder = CHAINS[name].ini.parent
    revisions = sum(path.stat().st_size for path in (folder / "versions").glob("*.py"))
    tape = (folder / "tape.json").read_text()
    assert len(tape) < 3 * revisions
    assert max(map(len, tape.splitlines())) < 1000


@pytest.mark.parametrize("name", CHAINS)
async def test_from_nothing(name: str, bench: Bench) -> None:
    """An empty database becomes what is recorded, and then there is nothing left to do."""
    chain, database = CHAINS[name], await bench.make()
    if chain.base_file:
        await bench.sql(database, chain.base_file.read_text())
    report = await bench.heal(database, chain)
    assert (report.verdict, report.outcome) == ("empty", "healed"), report
    state = await bench.state(database, chain.project.tape)
    assert {key: text for key, text in state.schema.items() if key in chain.project.tape.keys} == chain.project.tape.end
    again = await bench.heal(database, chain)
    assert (again.outcome, again.plan.steps) == ("current", ())


def test_several_in_one_text() -> None:
    """Of several statements in one text, one that moves rows counts, wherever it stands."""
    [recorded, *_] = SYNC.project.tape.by_id["y02"].statements
    assert recorded.kind == "opaque"
    text = """CREATE TABLE a (t text DEFAULT ';"'); -- not here;
        DO $x$ BEGIN NULL; END $x$; /* nor; here */ INSERT INTO a VALUES ('it''s; one')"""
    assert [part.split()[0] for part in split(text)] == ["CREATE", "--", "/*"]
    assert len(split(text)) == 3
