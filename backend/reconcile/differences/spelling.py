"""Asks the server whether two definitions are the same.

A definition from the tape is created on the database's own server, in a scratch schema inside a savepoint that is
rolled back, and read from the catalogs. Where it reads as the live object does, both are the same object, whichever
versions of PostgreSQL recorded the one and created the other. A healthy database needs none of this.
"""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from uuid import uuid4

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..observation.observe import Observation, observe
from ..schema.create_statements import create_view
from ..schema.schema import INVALID, Key
from ..sql.older_spellings import older_spellings
from ..tape.tape import Tape

_log = logging.getLogger(__name__)
_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}
_MAY_CREATE = text(
    "SELECT pg_catalog.has_database_privilege(pg_catalog.current_database()::text, 'CREATE'::text)"
    " AND pg_catalog.current_setting('transaction_read_only'::text) = 'off'::text"
)
_EVENT_TRIGGERS = text(
    "SELECT CAST(t.evtenabled AS text) FROM pg_catalog.pg_event_trigger t WHERE t.evtenabled <> 'D'::\"char\""
)
_IS_SUPERUSER = text("SELECT pg_catalog.current_setting('is_superuser'::text) = 'on'::text")
NOT_ASKED = (
    "definitions were compared as text: this user may create nothing here in which the server could spell them itself,"
    " or another's event trigger would run if it did"
)


class Speller:
    """Asks the server for its own spelling of a tape's definitions; `asked` says whether that was possible."""

    def __init__(self, connection: Connection, observation: Observation, tape: Tape) -> None:
        self._connection = connection
        self._observation = observation
        self._tape = tape
        self._schema = f"reconcile_spelling_{uuid4().hex[:12]}"
        self.note = ""

    def __call__(self, strange: Mapping[Key, str]) -> dict[Key, str]:
        """The recorded texts of the objects that the server spells as the observed ones."""
        if not self._may_ask():
            self.note = NOT_ASKED
            return {}
        same: dict[Key, str] = {}
        with self._scratch_schema():
            for key, actual in strange.items():
                recorded = self._recorded(key, actual.removesuffix(INVALID))
                if recorded is not None:
                    same[key] = recorded + (INVALID if actual.endswith(INVALID) else "")
        return same

    def _may_ask(self) -> bool:
        """Whether a schema may be created, and no event trigger runs when it is."""
        if not self._connection.scalar(_MAY_CREATE):
            return False
        triggers = self._connection.scalars(_EVENT_TRIGGERS).all()
        return not triggers or (set(triggers) == {"O"} and bool(self._connection.scalar(_IS_SUPERUSER)))

    @contextmanager
    def _scratch_schema(self) -> Iterator[None]:
        with self._taken_back():
            if self._connection.scalars(_EVENT_TRIGGERS).first() is not None:
                self._connection.execute(text("SET LOCAL session_replication_role = replica"))
            self._connection.execute(text("SET LOCAL check_function_bodies = off"))
            self._connection.execute(text("SET LOCAL lock_timeout = '500ms'"))
            self._connection.execute(text(f"CREATE SCHEMA {self._schema}"))
            yield

    @contextmanager
    def _taken_back(self) -> Iterator[None]:
        savepoint = self._connection.begin_nested()
        try:
            yield
        finally:
            savepoint.rollback()

    def _recorded(self, key: Key, actual: str) -> str | None:
        spelled = {actual, self._spelled(key, actual) or actual}
        for recorded in self._tape.texts[key]:
            for definition in (recorded, *older_spellings(recorded)):
                if self._spelled(key, definition) in spelled:
                    _log.debug("%s: %s is spelled %s", key, recorded, actual)
                    return recorded
        return None

    def _spelled(self, key: Key, definition: str) -> str | None:
        """A definition as the server spells it; None where it can't be created."""
        statements = self._statements(key, definition)
        if not statements:
            return None
        try:
            with self._taken_back():
                for statement in statements:
                    self._connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
                return self._read_back(key)
        except DBAPIError as error:
            _log.debug("%s: %s", key, error)
            return None

    def _read_back(self, key: Key) -> str | None:
        path = f"{self._schema}.{key.table or key.name}"
        spelled = observe(
            self._connection,
            versions=self._observation.versions,
            schema=self._observation.home,
            schemas={self._schema},
            names={path},
        ).schema.get(key._replace(schema=self._schema))
        return None if spelled is None else spelled.replace(f"{self._schema}.", "")

    def _statements(self, key: Key, definition: str) -> tuple[str, ...]:  # noqa: C901 - a table of cases
        """The statements that create a definition in the scratch schema; what is on a table goes on a copy of it."""
        schema = self._schema
        table = f"{schema}.{key.table}"
        copied = f"CREATE TABLE {table} (LIKE {key.relation})"
        match key.kind:
            case "column":
                added = f"ALTER TABLE {table} ADD COLUMN {key.name} {definition}"
                return copied, f"ALTER TABLE {table} DROP COLUMN {key.name}", added
            case "check" | "unique" | "primary_key" | "exclude":
                return copied, f"ALTER TABLE {table} ADD CONSTRAINT {key.name} {definition}"
            case "index":
                unique = "UNIQUE " if definition.startswith("UNIQUE ") else ""
                return copied, f"CREATE {unique}INDEX {key.name} ON {table} {definition.removeprefix(unique)}"
            case "trigger":
                return copied, definition.replace(f" ON {key.relation} ", f" ON {table} ", 1)
            case "rule":
                return copied, definition.replace(f" TO {key.relation}", f" TO {table}", 1)
            case "policy":
                permissive, _, rest = definition.partition(" for ")
                conditions = rest[1:]
                return copied, (
                    f"CREATE POLICY {key.name} ON {table} AS {permissive} FOR {_COMMANDS[rest[:1]]}{conditions}"
                )
            case "view":
                return (create_view(f"{schema}.{key.name}", definition),)
            case "materialized_view":
                return (f"CREATE MATERIALIZED VIEW {schema}.{key.name} AS {definition.rstrip(';')} WITH NO DATA",)
            case "domain":
                return (f"CREATE DOMAIN {schema}.{key.name} AS {definition}",)
            case "function":
                return (
                    definition.replace(
                        f" {key.path.partition('(')[0]}(", f" {schema}.{key.name.partition('(')[0]}(", 1
                    ),
                )
        return ()
