"""Records a chain's tape in scratch databases, wherever one can be made."""

import logging
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from alembic.config import Config
from sqlalchemy import URL, Connection

from ..alembic_bridge.own_connection import as_the_project_does, commits_each_statement
from ..command_line import command
from ..schema.errors import ReconcileError
from ..scratch.database import ScratchRefused, scratch_database
from ..scratch.server import ServerMissing, own_server
from .record_chain import RevisionFailed, SchemaMissing, load_base, play_again, record
from .tape import Tape

_log = logging.getLogger(__name__)
_SUPERUSER = "postgres"


class NowhereToPlay(ReconcileError):
    """There is no server on which the chain can be played."""

    def __init__(self, refused: ScratchRefused, missing: ServerMissing) -> None:
        super().__init__(
            "The chain has to be played once in an empty database, and there is none for it. On the project's server:"
            f" {refused.reason.rstrip('.')}. On this machine: {str(missing).rstrip('.')}. Install"
            " alembic-reconcile[postgres], or name a server where your role may create databases by"
            f" --scratch postgresql://…, or bring the tape.json that `{command('record')}` writes where it may"
        )


Finish: TypeAlias = Callable[[Connection, Tape], Tape]


def recorded(
    config: Config,
    connection: Connection,
    *,
    base: str = "",
    until: str | None = None,
    scratch: URL | None = None,
    finish: Finish | None = None,
) -> Tape:
    """Plays the chain twice and returns its tape: on the server of `scratch`, else on the project's own.

    Where the project's server makes no scratch database, it is played on a PostgreSQL of our own. `finish` gets the
    tape, with a connection to another empty database, and returns the tape as it is to be.

    Raises:
        NowhereToPlay: there is no such server either.
        RevisionFailed: a revision doesn't run on an empty database.
    """
    play = partial(_played, config, connection, base=base, until=until, finish=finish)
    if scratch is not None:
        return play(scratch)
    try:
        return play(None)
    except ScratchRefused as refused:
        try:
            with own_server(connection.engine.url.username or _SUPERUSER) as server:
                _log.info("playing the chain on a PostgreSQL of its own: %s", refused)
                return play(server)
        except ServerMissing as missing:
            raise NowhereToPlay(refused, missing) from missing
        except RevisionFailed as error:
            raise ReconcileError(
                f"{error} It was played on a PostgreSQL of its own ({str(refused).rstrip('.')}): name a server that"
                " has what the chain needs by --scratch"
            ) from error


def recorded_by_itself(config: Config, connection: Connection, *, scratch: URL | None = None) -> Tape:
    """The same where nobody said what has to be there first: the version table's schema is made, if it is missing."""
    try:
        return recorded(config, connection, scratch=scratch)
    except SchemaMissing as error:
        return recorded(config, connection, base=f"CREATE SCHEMA {error.schema}", scratch=scratch)


def _played(
    config: Config, connection: Connection, server: URL | None, *, base: str, until: str | None, finish: Finish | None
) -> Tape:
    def played(committing: Callable[[Connection], Connection]) -> Tape:
        with scratch_database(connection, server) as scratch:
            recording = record(config, committing(scratch), base=base, until=until)
        with scratch_database(connection, server) as scratch:
            return play_again(config, committing(scratch), recording, base=base)

    try:
        tape = played(lambda scratch: scratch)
    except RevisionFailed as error:
        if not (error.for_its_transaction and commits_each_statement(connection)):
            raise
        tape = played(as_the_project_does)
    if finish is None:
        return tape
    with scratch_database(connection, server) as scratch:
        load_base(base, scratch)
        return finish(scratch, tape)
