"""Every line of the document that Pegasus grew from, executed as it is written there.

Left out by name is the reset, `rm alembic/versions/*.py`: docs/troubleshooting.md says why, and what to do instead.
"""

from functools import partial
from pathlib import Path

import pytest

from tests.reconcile.ours import OF_001, OF_002, build, old_rows, rows_of, versions

from .conftest import Checkout

OPTIONS = {
    "1": """
cd backend
python3 resolve_migration_error.py
""",
    "2": """
cd backend

# Mark current database state as migration 001
alembic stamp 001

# Run migration 002 to add tag columns
alembic upgrade 002

# Verify final state
alembic current
""",
    "3": """
# 1. Check current state
python3 verify_migration.py || true

# 2. Fix migration state
python3 fix_migration_state.py

# 3. Verify it worked
python3 verify_migration.py --show-structure
""",
}
CHECK = """
# Check database has tag columns
python3 verify_migration.py

# Test the upload endpoint
python3 test_upload_endpoint.py
"""
CONNECTION = """
# Check your .env file
cat .env

# Test database connection
python3 -c "
import asyncio
from core.database import async_session
async def test():
    async with async_session() as session:
        print('✅ Database connection works!')
asyncio.run(test())
"
"""
QUICK_FIX = """
cd backend
python3 resolve_migration_error.py && python3 main.py
"""


def make_old(checkout: Checkout) -> None:
    """What `init_db.py` made before there were tags: the tables, rows in them, and no word to Alembic."""
    rows = old_rows(checkout.root.parent / "data" / "recordings", checkout.root.parent / "outside.wav")
    checkout.ask(partial(build, parts=OF_001, claim=None, rows=rows))


def make_now(checkout: Checkout) -> None:
    """What `init_db.py` makes today."""
    ran = checkout.here("python3 init_db.py")
    assert (ran.returncode, ran.stderr) == (0, "")


def check_healed(checkout: Checkout) -> None:
    assert checkout.ask(versions) == ["002"]
    for row in checkout.ask(rows_of):
        assert set(row) >= {"tag", "category"}


@pytest.mark.parametrize("option", OPTIONS)
def test_options(option: str, checkout: Checkout) -> None:
    """Each of the three ways mends a database that `init_db.py` made before there were tags."""
    make_old(checkout)
    follow(option, checkout)


@pytest.mark.parametrize("option", OPTIONS)
def test_options_now(option: str, on_server: Checkout) -> None:
    """Each of the three ways mends a database that today's `init_db.py` makes, tags and all."""
    make_now(on_server)
    lines = [line for line in OPTIONS[option].splitlines() if line.startswith(("python3 ", "alembic "))]
    for line in lines:
        ran = on_server.here(line.removesuffix(" || true"))
        assert ran.returncode == 0 or "|| true" in line, ran.stdout + ran.stderr
    check_healed(on_server)


def follow(option: str, checkout: Checkout) -> None:
    before = checkout.ask(rows_of)
    ran = checkout.shell(OPTIONS[option], folder="" if "cd backend" in OPTIONS[option] else "backend")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    if option == "2":
        assert ran.stdout.splitlines()[-1].startswith("002")
    assert checkout.ask(rows_of) == [{"tag": None, "category": None} | row for row in before]
    check_healed(checkout)


def test_step_by_step_tells(checkout: Checkout) -> None:
    """The first check says what is wrong, the last one that nothing is, and shows the structure."""
    make_old(checkout)
    first = checkout.program("python3 verify_migration.py")
    assert first.returncode == 11
    assert "❌" in first.stdout
    assert "audio_files.tag" in first.stdout
    assert checkout.program("python3 fix_migration_state.py").returncode == 0
    last = checkout.program("python3 verify_migration.py --show-structure")
    assert last.returncode == 0
    assert "❌" not in last.stdout
    for expected in ("audio_files.tag", "ix_audio_files_category", "Alembic's revision: 002"):
        assert expected in last.stdout


def test_stamp_only(checkout: Checkout) -> None:
    """`--stamp-only` writes where the schema is, and leaves the schema alone."""
    make_old(checkout)
    ran = checkout.program("python3 fix_migration_state.py --stamp-only")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert checkout.ask(versions) == ["001"]


def test_verification(checkout: Checkout) -> None:
    """After any way, the columns are there, an upload works, and the server starts."""
    make_old(checkout)
    assert checkout.program("python3 resolve_migration_error.py").returncode == 0
    ran = checkout.shell(CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "❌" not in ran.stdout + ran.stderr
    checkout.serving("# Start the API server\npython3 main.py\n")
    assert len(checkout.ask(rows_of)) == 4


def test_quick_fix(checkout: Checkout) -> None:
    """The quick fix mends and starts the server in one line."""
    make_old(checkout)
    said = checkout.serving(QUICK_FIX, folder="")
    assert "✅ adopted: " in said
    check_healed(checkout)


def test_connection(checkout: Checkout) -> None:
    """`.env` is there to be looked at, and the connection check tells the truth."""
    ran = checkout.shell(CONNECTION)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "#DATABASE_URL=" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "✅ Database connection works!"
    ran = checkout.shell(CONNECTION, DATABASE_URL="postgresql://me:s3cret@127.0.0.1:1/x")
    assert ran.returncode != 0
    assert "works" not in ran.stdout
    assert ran.stderr.splitlines()[-1].endswith("The database at 127.0.0.1:1 can't be reached: nothing listens there.")
    assert "s3cret" not in ran.stderr


def test_env_file_counts(copied: Path, database: str) -> None:
    """What `.env` in the root says reaches the scripts and Alembic alike, from backend/ and from the root."""
    (copied / ".env").write_text(f"DATABASE_URL={database}\n")
    checkout = Checkout(copied)
    assert checkout.shell("cat .env").stdout == f"DATABASE_URL={database}\n"
    assert checkout.shell("python3 resolve_migration_error.py").returncode == 0
    for folder in ("backend", ""):
        assert checkout.shell("alembic current", folder=folder).stdout == "002 (head)\n"


def test_plain_upgrade(checkout: Checkout) -> None:
    """`alembic upgrade 002` doesn't die on what `init_db.py` made, and tells what it skipped and what it created."""
    checkout.ask(partial(build, parts=OF_001 - {"user index"}, claim=None))
    ran = checkout.shell("alembic upgrade 002")
    assert ran.returncode == 0, ran.stderr
    for told in (
        "skipped: the type processingstatus exists",
        "skipped: the table audio_files exists",
        "created: the index ix_audio_files_user_id",
        "created: the column audio_files.tag",
        "created: the index ix_audio_files_category",
    ):
        assert told in ran.stderr
    again = checkout.shell("alembic current; alembic upgrade head; python3 verify_migration.py")
    assert again.returncode == 0, again.stdout
    assert "created" not in again.stderr


def test_autogenerate(checkout: Checkout) -> None:
    """On a healed database `alembic revision --autogenerate` finds nothing to change, and writes no file."""
    assert checkout.program("python3 init_db.py").returncode == 0
    assert checkout.program("python3 resolve_migration_error.py").returncode == 0
    for folder, chain in (("backend", "alembic"), ("", "backend/alembic")):
        before = sorted((checkout.root / "backend/alembic/versions").iterdir())
        ran = checkout.shell('alembic revision --autogenerate -m "Initial migration"; alembic check', folder=folder)
        assert ran.returncode == 0, f"{chain}: {ran.stderr}"
        assert sorted((checkout.root / "backend/alembic/versions").iterdir()) == before


def test_everything_twice(on_server: Checkout) -> None:
    """Every way may be gone again, in any order, and does no harm."""
    on_server.ask(partial(build, parts=OF_002 - {"tag index"}, claim=("001",)))
    again = "python3 resolve_migration_error.py"
    ways = (again, "python3 init_db.py", "python3 fix_migration_state.py", "alembic upgrade head", again)
    for way in (*ways, "python3 verify_migration.py"):
        ran = on_server.here(way)
        assert ran.returncode == 0, ran.stdout + ran.stderr
