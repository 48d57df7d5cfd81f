"""The command line for tokens: `python -m access {create,list,revoke} [--json]`, on the configured database.

A secret is shown once, by `create`, alone on stdout; all that is said about it goes to stderr. The exit code is 0 when
it was done, 1 when it couldn't be, 2 when it was asked for wrongly.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from uuid import UUID

from sqlalchemy.exc import ProgrammingError

from access import tokens
from access.tokens import Token
from core.database import async_session
from core.errors import PegasusError

UNDEFINED_TABLE = "42P01"


class TableMissing(PegasusError):
    """The table of tokens isn't there yet."""

    def __init__(self) -> None:
        super().__init__(
            "The database has no table of tokens yet: start the server once,"
            " or run: python -m reconcile heal -c system_chain/alembic.ini"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(options.run(options))
    except PegasusError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except ProgrammingError as error:
        if getattr(error.orig, "sqlstate", None) != UNDEFINED_TABLE:
            raise
        print(TableMissing(), file=sys.stderr)
        return TableMissing.exit_code
    return 0


async def create(options: argparse.Namespace) -> None:
    async with async_session() as session:
        token, secret = await tokens.create(session, options.user, admin=options.admin, label=options.label)
        await session.commit()
    if options.json:
        print(json.dumps(_told(token) | {"secret": secret}))
    else:
        print(secret)
        rights = ", an admin" if token.admin else ""
        print(f"Token {token.id} for {token.user_id}{rights}. Its secret isn't shown again.", file=sys.stderr)


async def show(options: argparse.Namespace) -> None:
    async with async_session() as session:
        found = await tokens.list_all(session)
    if options.json:
        print(json.dumps([_told(token) for token in found]))
    elif not found:
        print("There is no token in the database.", file=sys.stderr)
    for token in [] if options.json else found:
        state = f"revoked {token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else "valid"
        rights = " (admin)" if token.admin else ""
        noted = f"  {token.label}" if token.label else ""
        print(f"{token.id}  {token.created_at:%Y-%m-%d %H:%M}  {state}  {token.user_id}{rights}{noted}")


async def revoke(options: argparse.Namespace) -> None:
    async with async_session() as session:
        token = await tokens.revoke(session, options.id)
        await session.commit()
    print(json.dumps(_told(token)) if options.json else f"Token {token.id} for {token.user_id} is revoked.")


def _told(token: Token) -> dict[str, object]:
    return {name: value if isinstance(value, bool | None) else str(value) for name, value in asdict(token).items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m access", description="Makes, lists and revokes tokens.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    names = parser.add_subparsers(required=True, metavar="{create,list,revoke}")
    making = names.add_parser("create", parents=[common], help="make a token and show its secret, once")
    making.add_argument("user", help="whose recordings the token lets see")
    making.add_argument("--admin", action="store_true", help="let it see and write everybody's")
    making.add_argument("--label", help="a note on what it is for")
    making.set_defaults(run=create)
    listing = names.add_parser("list", parents=[common], help="list every token, without secrets")
    listing.set_defaults(run=show)
    revoking = names.add_parser("revoke", parents=[common], help="let a token count no more, at once")
    revoking.add_argument("id", type=UUID, help="the token's id, as `list` shows it")
    revoking.set_defaults(run=revoke)
    return parser
