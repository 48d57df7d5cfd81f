"""The journal of heals: what was healed, when, from where and by whom, in its own schema beside the project's.

A heal in one transaction is inserted in that transaction. Segments are inserted before they run and updated after, so
that interrupted ones are known. The journal's tables are created and healed by the same engine, from the chain in
chain/. Where that is impossible (the user may not create the schema, or its tables are damaged) a heal runs without a
journal, and says so.
"""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from alembic.config import Config
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from ..execution.apply import apply
from ..execution.verify import VerificationFailed, verify
from ..inspection.inspect import inspect_within
from ..observation.observe import VersionTable
from ..planning.report import Report
from ..planning.steps import Step
from ..schema.errors import ReconcileError
from ..schema.postgres_errors import is_busy, message_of
from ..tape.file import read_tape
from ..tape.project import Project
from ..tape.tape import Tape

CHAIN = Path(__file__).parent / "chain"
DEFAULT_SCHEMA = "reconcile"
SCHEMA_OPTION = "reconcile_journal_schema"  # in the project's alembic.ini
VERSION_TABLE = "journal_version"

_BEGIN = text(
    "INSERT INTO heals (outcome, verdict, claimed, located, head, plan, digest_before, host, code_version, home)"
    " VALUES (:outcome, :verdict, :claimed, :located, :head, CAST(:plan AS jsonb), :digest, :host, :version, :home)"
    " RETURNING id"
)
_END = text(
    "UPDATE heals SET outcome = :outcome, reason = :reason, digest_after = :digest, finished_at = clock_timestamp(),"
    " seconds = :seconds WHERE id = :id"
)
_SEGMENT = text(
    "INSERT INTO segments (heal_id, position, steps) VALUES (:id, :position, :steps) ON CONFLICT DO NOTHING"
)
_SEGMENT_DONE = text("UPDATE segments SET finished_at = clock_timestamp() WHERE heal_id = :id AND position = :position")
_HISTORY = text(
    "SELECT id, started_at, finished_at, outcome, verdict, claimed, located, head, plan, reason, host, code_version,"
    " seconds, to_jsonb(heals) ->> 'home' AS home,"
    " (SELECT string_agg(steps, '; ' ORDER BY position) FROM segments s WHERE s.heal_id = heals.id"
    " AND s.finished_at IS NULL) AS unfinished FROM heals ORDER BY id DESC LIMIT :limit"
)
# An older journal, which only the next heal brings up to date, has no column `home`: then it is anybody's.
_UNFINISHED = text(
    "SELECT steps FROM segments WHERE finished_at IS NULL"
    " AND heal_id = (SELECT max(h.id) FROM heals h WHERE h.head = ANY (:revisions)"
    " AND coalesce(to_jsonb(h) ->> 'home', CAST(:home AS text)) = CAST(:home AS text))"
)


class JournalUnfit(ReconcileError):
    """The journal can't be used: its tables are damaged, or its schema has the user's name."""

    def __init__(self, schema: str, reason: str) -> None:
        super().__init__(reason)
        self.schema = schema


class Journal:
    """The journal of one project's database."""

    def __init__(self, project: Project) -> None:
        self.schema = project.config.get_main_option(SCHEMA_OPTION) or DEFAULT_SCHEMA
        self._project = project

    def enter(self, connection: Connection, report: Report, after: Report) -> Report:
        """Inserts a finished heal, in the heal's own transaction."""
        savepoint = connection.begin_nested()
        try:
            self._prepare(connection)
            entry = _begin(connection, report)
            _end(connection, entry, report, after)
            savepoint.commit()
        except (DBAPIError, JournalUnfit, VerificationFailed) as error:
            savepoint.rollback()
            return self._not_entered(report, _reason(error))
        return report

    @contextmanager
    def begun(self, engine: Engine, report: Report) -> "Iterator[JournalEntry]":
        """An entry for a heal in segments, committed before the first one; it is updated however the block ends."""
        with engine.connect() as connection:
            number, unfit = None, ""
            try:
                self._prepare(connection)
                number = _begin(connection, report, outcome="begun")
                connection.commit()
            except (DBAPIError, JournalUnfit, VerificationFailed) as error:
                connection.rollback()
                unfit = _reason(error)
            entry = JournalEntry(self, connection, number, unfit=unfit)
            try:
                yield entry
            except BaseException as error:
                entry.ended_by(error)
                raise

    def history(self, connection: Connection, *, limit: int) -> list[dict[str, Any]]:
        """The last heals, newest first; empty without a journal."""
        with connection.begin() as transaction:
            if (
                connection.scalar(
                    text("SELECT pg_catalog.to_regclass(CAST(:heals AS text))"), {"heals": f"{self._quoted}.heals"}
                )
                is None
            ):
                return []
            self._pin(connection)
            rows = [dict(row) for row in connection.execute(_HISTORY, {"limit": limit}).mappings()]
            transaction.rollback()
        return rows

    def unfinished(self, connection: Connection, *, home: str) -> frozenset[str]:
        """The steps that the last recorded heal of the schema `home` had begun in segments and not finished.

        Other chains may have inserted theirs into the same journal since.
        """
        with connection.begin() as transaction:
            revisions = frozenset[str]()
            if connection.scalar(
                text("SELECT pg_catalog.to_regclass(CAST(:segments AS text))"), {"segments": f"{self._quoted}.segments"}
            ):
                self._pin(connection)
                values = {"revisions": list(self._project.tape.ids), "home": home}
                revisions = frozenset(connection.scalars(_UNFINISHED, values))
            transaction.rollback()
        return revisions

    def _prepare(self, connection: Connection) -> None:
        if connection.scalar(
            text("SELECT CAST(session_user AS text) = CAST(:schema AS text)"), {"schema": self.schema}
        ):
            reason = f"with the user's name it would catch all that is unqualified; set {SCHEMA_OPTION} to another"
            raise JournalUnfit(self.schema, reason)
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {self._quoted}"))
        own = journal_project(self.schema)
        report = inspect_within(connection, own)
        if report.plan.refusal is not None:
            raise JournalUnfit(self.schema, report.plan.refusal.reason)
        if report.plan.steps:
            apply(report.plan.steps, connection, own, report.observation)
            verify(inspect_within(connection, own).location)
        self._pin(connection)

    @property
    def _quoted(self) -> str:
        return '"' + self.schema.replace('"', '""') + '"'

    def _pin(self, connection: Connection) -> None:
        connection.execute(
            text("SELECT pg_catalog.set_config('search_path', pg_catalog.quote_ident(CAST(:schema AS text)), true)"),
            {"schema": self.schema},
        )

    def _not_entered(self, report: Report, reason: str) -> Report:
        note = f"the heal is not in the journal: {reason} (the schema {self.schema})"
        return replace(report, plan=replace(report.plan, notes=(*report.plan.notes, note)))


class JournalEntry:
    """The entry of a heal in segments; each method commits a transaction of its own."""

    def __init__(self, journal: Journal, connection: Connection, number: int | None, *, unfit: str = "") -> None:
        self._journal = journal
        self._connection = connection
        self._number = number
        self._unfit = unfit
        self._start = time.monotonic()
        self._position = 0
        self.done: tuple[Step, ...] = ()

    @contextmanager
    def segment(self, steps: tuple[Step, ...]) -> Iterator[None]:
        """Inserts a segment before its steps run, and updates it afterwards."""
        self._position += 1
        place = {"id": self._number, "position": self._position}
        self._write(_SEGMENT, place | {"steps": "; ".join(str(step) for step in steps)})
        yield
        self._write(_SEGMENT_DONE, place)
        self.done += steps

    def finished(self, report: Report, after: Report) -> Report:
        """Records that the heal has succeeded and was verified."""
        return self._close(report, outcome=report.outcome, digest=after.observation.digest)

    def failed(self, report: Report) -> Report:
        """Records that a segment failed; the next inspection sees what stays."""
        reason = report.plan.refusal.reason if report.plan.refusal else ""
        try:
            return self._close(report, outcome=report.outcome, reason=reason)
        except DBAPIError as error:
            note = f"the journal couldn't be told how it ended: {message_of(error)}"
            return replace(report, plan=replace(report.plan, notes=(*report.plan.notes, note)))

    def ended_by(self, error: BaseException) -> None:
        """Records an end that isn't PostgreSQL's doing: an error in a revision's code, or an interrupt by a person."""
        with suppress(DBAPIError):  # the error that ended the heal is raised, and says more
            self._end(outcome="failed", reason=f"{type(error).__name__}: {error}".removesuffix(": "))

    def _close(self, report: Report, *, outcome: str, digest: str | None = None, reason: str | None = None) -> Report:
        self._end(outcome=outcome, digest=digest, reason=reason)
        if self._number is not None:
            return report
        return self._journal._not_entered(report, self._unfit)  # noqa: SLF001 - its own entry

    def _end(self, *, outcome: str, digest: str | None = None, reason: str | None = None) -> None:
        seconds = time.monotonic() - self._start
        ended = {"outcome": outcome, "digest": digest, "reason": reason, "id": self._number, "seconds": seconds}
        self._write(_END, ended)

    def _write(self, statement: Any, values: dict[str, Any]) -> None:
        """Writes, on a new connection if the server has ended this one; each statement may run twice."""
        if self._number is None:
            return
        try:
            self._write_once(statement, values)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            self._write_once(statement, values)

    def _write_once(self, statement: Any, values: dict[str, Any]) -> None:
        with self._connection.begin():
            self._journal._pin(self._connection)  # noqa: SLF001 - its own entry
            self._connection.execute(statement, values)


@cache
def journal_project(schema: str) -> Project:
    """The project of the journal's own chain, in one schema."""
    recorded = read_tape(CHAIN / "tape.json")
    tape = Tape(recorded.revisions, schema=schema, versions=VersionTable(VERSION_TABLE, schema))
    return Project(journal_configuration(schema), tape)


def journal_configuration(schema: str) -> Config:
    """The Alembic configuration of the journal's own chain."""
    config = Config()
    config.set_main_option("script_location", str(CHAIN))
    config.set_main_option("path_separator", "os")
    config.attributes["schema"] = schema
    return config


def _begin(connection: Connection, report: Report, *, outcome: str = "healed") -> int:
    location, facts = report.location, report.as_json()
    values = {
        "outcome": outcome,
        "verdict": str(report.verdict),
        "claimed": ", ".join(location.claimed or ()),
        "located": location.at,
        "head": report.tape.head,
        "plan": json.dumps(facts["steps"]),
        "digest": report.observation.digest,
        "host": socket.gethostname(),
        "version": report.tape.digest,
        "home": report.observation.home,
    }
    number: int = connection.execute(_BEGIN, values).scalar_one()
    return number


def _end(connection: Connection, number: int, report: Report, after: Report) -> None:
    connection.execute(
        _END,
        {
            "outcome": "healed",
            "reason": None,
            "digest": after.observation.digest,
            "seconds": report.seconds,
            "id": number,
        },
    )


def _reason(error: DBAPIError | ReconcileError) -> str:
    """Why a heal can't be inserted; errors of the connection, and those that a retry may solve, are raised again."""
    if isinstance(error, ReconcileError):
        return str(error)
    if error.connection_invalidated or is_busy(error):
        raise error
    return message_of(error)
