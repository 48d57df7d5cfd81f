"""The embedded PostgreSQL's password, in a file of its cluster that only the cluster's owner and root can read.

asyncpg and libpq read it by an address's `passfile`, so that no address holds a secret.
"""

import asyncio
import base64
import hashlib
import hmac
import os
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg

from core.errors import EmbeddedPostgresProblem
from core.postgres.account import Account

RULES = "pg_hba.conf"
PROTECTED = "# Pegasus writes this file.\nlocal all all scram-sha-256\n"
OPEN = "# Pegasus writes this file, and is about to set a password.\nlocal all all trust\n"
TRIES, PAUSE_SECONDS = 500, 0.01
_LINE = re.compile(r"\*:\*:\*:(\w+):([A-Za-z0-9_-]{43})\n")


def password_file(cluster: Path) -> Path:
    """The file with the password, in the format of libpq's .pgpass."""
    return cluster / "pegasus.pgpass"


def is_protected(cluster: Path) -> bool:
    """Whether a cluster's server asks for a password, and its file exists."""
    return _password(cluster) is not None and _read(cluster / RULES) == PROTECTED


def prepare_protection(cluster: Path, *, user: str, account: Account) -> None:
    """Prepares a stopped cluster for `protect`; until then, every user who can enter its folder can connect."""
    if _password(cluster) is None:
        _write(password_file(cluster), f"*:*:*:{user}:{secrets.token_urlsafe()}\n", account=account)
    _write(cluster / RULES, OPEN, account=account)


def protect(cluster: Path, *, user: str, address: str, account: Account) -> None:
    """Sets the running server's password; when this returns, the server asks for it.

    Raises:
        EmbeddedPostgresProblem: the password can't be set.
    """
    work = _protect(cluster, user=user, address=address, account=account)
    with ThreadPoolExecutor(1) as thread:  # this thread may be running an event loop
        try:
            thread.submit(asyncio.run, work).result()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            raise EmbeddedPostgresProblem(f"The embedded PostgreSQL takes no password: {error}.") from None


async def _protect(cluster: Path, *, user: str, address: str, account: Account) -> None:
    connection = await asyncpg.connect(address)
    try:
        await connection.execute(f"ALTER ROLE {user} PASSWORD '{_verifier(_password(cluster) or '')}'")
        _write(cluster / RULES, PROTECTED, account=account)
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
    for _ in range(TRIES):
        if await _asks_for_password(address):
            return
        await asyncio.sleep(PAUSE_SECONDS)
    raise EmbeddedPostgresProblem("The embedded PostgreSQL doesn't ask for its password.")


async def _asks_for_password(address: str) -> bool:
    try:
        connection = await asyncpg.connect(address, password="-")  # noqa: S106  # a wrong one
    except asyncpg.InvalidAuthorizationSpecificationError:
        return True
    await connection.close()
    return False


def _password(cluster: Path) -> str | None:
    line = _LINE.fullmatch(_read(password_file(cluster)) or "")
    return line and line[2]


def _verifier(password: str) -> str:
    """The SCRAM verifier of a password (RFC 5803): the password itself is never sent, nor written to the server's log.

    One iteration is enough: more make guessing slow, and 256 random bits can't be guessed.
    """
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256$1:{encoded[0]}${encoded[1]}:{encoded[2]}"


def _read(path: Path) -> str | None:
    try:
        return path.read_text()
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def _write(path: Path, text: str, *, account: Account) -> None:
    """Writes a file atomically, owned by the account; a link at `path` is replaced, not followed."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        if account.options():
            os.fchown(descriptor, account.uid, account.gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)
