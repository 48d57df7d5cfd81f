"""The command line for tokens: `python -m access {create,list,revoke} [--json]`, on the configured database.

`create` prints the secret once, alone on stdout; messages go to stderr. The exit code is 0 on success, 1 on failure, 2
for wrong arguments.
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
from core.errors import PegasusError, SystemTableMissing

UNDEFINED_TABLE = "42P01"


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
        print(SystemTableMissing("of tokens"), file=sys.stderr)
        return SystemTableMissing.exit_code
    return 0


async def create(options: argparse.Namespace) -> None:
    async with async_session() as session:
        token, secret = await tokens.create(session, options.user, admin=options.admin, label=options.label)
        await session.commit()
    if options.json:
        print(json.dumps(_as_json(token) | {"secret": secret}))
    else:
        print(secret)
        rights = ", an admin" if token.admin else ""
        print(f"Token {token.id} for {token.user_id}{rights}. Its secret isn't shown again.", file=sys.stderr)


async def show(options: argparse.Namespace) -> None:
    async with async_session() as session:
        rows = await tokens.list_all(session)
    if options.json:
        print(json.dumps([_as_json(token) for token in rows]))
    elif not rows:
        print("There is no token in the database.", file=sys.stderr)
    for token in [] if options.json else rows:
        state = f"revoked {token.revoked_at:%Y-%m-%d %H:%M}" if token.revoked_at else "valid"
        rights = " (admin)" if token.admin else ""
        label = f"  {token.label}" if token.label else ""
        print(f"{token.id}  {token.created_at:%Y-%m-%d %H:%M}  {state}  {token.user_id}{rights}{label}")


async def revoke(options: argparse.Namespace) -> None:
    async with async_session() as session:
        token = await tokens.revoke(session, options.id)
        await session.commit()
    print(json.dumps(_as_json(token)) if options.json else f"Token {token.id} for {token.user_id} is revoked.")


def _as_json(token: Token) -> dict[str, object]:
    return {name: value if isinstance(value, bool | None) else str(value) for name, value in asdict(token).items()}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m access", description="Makes, lists and revokes tokens.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the answer as JSON")
    commands = parser.add_subparsers(required=True, metavar="{create,list,revoke}")
    create_parser = commands.add_parser("create", parents=[common], help="make a token and show its secret, once")
    create_parser.add_argument("user", help="whose recordings the token lets see")
    create_parser.add_argument("--admin", action="store_true", help="let it see and write everybody's")
    create_parser.add_argument("--label", help="a note on what it is for")
    create_parser.set_defaults(run=create)
    list_parser = commands.add_parser("list", parents=[common], help="list every token, without secrets")
    list_parser.set_defaults(run=show)
    revoke_parser = commands.add_parser("revoke", parents=[common], help="let a token count no more, at once")
    revoke_parser.add_argument("id", type=UUID, help="the token's id, as `list` shows it")
    revoke_parser.set_defaults(run=revoke)
    return parser
