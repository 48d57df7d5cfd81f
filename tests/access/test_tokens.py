"""Tokens in the table, and the commands that make, list and revoke them."""

import json
from datetime import datetime
from uuid import uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from access import tokens
from access.tokens import TokenUnknown, TokenWithoutUser
from app.schema_healing import bring_up_to_date
from commands.access import main
from core.database.system_tables import SCHEMA
from core.labels import LabelRefused
from core.settings import load_settings
from reconcile.__main__ import main as reconcile
from tests.conftest import RunSql
from tests.programs import ran


async def test_only_the_hash_is_kept(session: AsyncSession, run_sql: RunSql) -> None:
    """A secret is found again by itself, has 256 random bits behind a known prefix, and stands nowhere in the table."""
    token, secret = await tokens.create(session, " Zoe\u0308 ", label="phone")
    await session.commit()
    assert secret.startswith("pegasus_")
    assert len(secret.removeprefix("pegasus_")) == 43
    assert (token.user_id, token.admin, token.label, token.revoked_at) == ("Zoë", False, "phone", None)
    assert await tokens.find(session, secret) == token
    assert await tokens.find(session, secret[:-1]) is None
    [row] = await run_sql(f"SELECT t::text AS told, length(secret_sha256) AS bytes FROM {SCHEMA}.tokens t")
    assert row["bytes"] == 32
    assert secret.removeprefix("pegasus_") not in row["told"]
    assert secret.encode().hex() not in row["told"]


async def test_a_revoked_token_is_kept(session: AsyncSession) -> None:
    """Revoking keeps the token with the time of the first revoking, and it counts as having been there."""
    assert not await tokens.any_exist(session)
    token, _ = await tokens.create(session, "ada")
    first = await tokens.revoke(session, token.id)
    assert isinstance(first.revoked_at, datetime)
    assert await tokens.revoke(session, token.id) == first
    assert await tokens.list_all(session) == [first]
    assert await tokens.any_exist(session)
    with pytest.raises(TokenUnknown):
        await tokens.revoke(session, uuid4())


@pytest.mark.parametrize("user", ["", "  ", "a\x00", "a\n", "a" * 256])
async def test_a_token_is_somebodys(session: AsyncSession, user: str) -> None:
    """A token's user is one that a recording could have."""
    with pytest.raises((TokenWithoutUser, LabelRefused)):
        await tokens.create(session, user)
    assert await tokens.list_all(session) == []


@pytest.fixture
def configured(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands' own way to the test's database."""
    monkeypatch.setenv("DATABASE_URL", database)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """A command's exit code, and what it says on stdout and on stderr."""
    code = main(list(arguments))
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.fixture
def ready(configured: None, database: str) -> None:
    """The configured database with its tables, made as a person would."""
    assert ran(reconcile, "heal", "-c", "system_chain/alembic.ini").returncode == 0


def test_the_secret_is_shown_once(ready: None, capsys: pytest.CaptureFixture[str]) -> None:
    """`create` shows the secret, alone on stdout; `list` and `revoke` never do."""
    code, out, err = run(capsys, "create", "ada", "--admin", "--label", "laptop")
    secret = out.strip()
    assert (code, out) == (0, f"{secret}\n")
    assert secret.startswith("pegasus_")
    assert secret not in err
    assert "ada, an admin" in err
    code, listed, _ = run(capsys, "list")
    assert code == 0
    assert listed.split()[3:] == ["valid", "ada", "(admin)", "laptop"]
    token_id = listed.split()[0]
    assert run(capsys, "revoke", token_id) == (0, f"Token {token_id} for ada is revoked.\n", "")
    assert run(capsys, "revoke", token_id)[0] == 0
    _, listed, _ = run(capsys, "list")
    assert "revoked" in listed
    assert secret not in listed


def test_every_answer_is_json_too(ready: None, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json each command answers as data; only `create` tells the secret."""
    made = json.loads(run(capsys, "create", "ada", "--json")[1])
    assert set(made) == {"id", "user_id", "admin", "label", "created_at", "revoked_at", "secret"}
    assert (made["user_id"], made["admin"], made["label"], made["revoked_at"]) == ("ada", False, None, None)
    del made["secret"]
    assert json.loads(run(capsys, "list", "--json")[1]) == [made]
    revoked = json.loads(run(capsys, "revoke", made["id"], "--json")[1])
    assert revoked == made | {"revoked_at": revoked["revoked_at"]}
    assert revoked["revoked_at"]


def test_what_cannot_be_done_is_one_sentence(ready: None, capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown id, a user that can't be, an empty list: a sentence on stderr, and an exit code that tells."""
    unknown = str(uuid4())
    assert run(capsys, "revoke", unknown) == (1, "", f"There is no token {unknown}.\n")
    assert run(capsys, "create", "") == (1, "", "A token needs a user.\n")
    assert run(capsys, "list") == (0, "", "There is no token in the database.\n")
    with pytest.raises(SystemExit) as wrongly:
        main(["revoke", "no-id"])
    assert wrongly.value.code == 2


def test_without_the_table(configured: None, capsys: pytest.CaptureFixture[str]) -> None:
    """On a database that was never served, it is said what makes the table, and that helps."""
    code, out, err = run(capsys, "create", "ada")
    assert (code, out) == (1, "")
    assert "python -m reconcile heal -c system_chain/alembic.ini" in err
    assert err.count("\n") == 1


async def test_the_settings_name_the_same_database(database: str) -> None:
    """What a start heals is where the commands look."""
    reports = await bring_up_to_date(load_settings(database_url=database))
    assert [report.observation.home for report in reports] == ["public", SCHEMA]
