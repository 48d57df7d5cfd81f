"""The kind of a revision's statement, by its text, its effects and PostgreSQL's plan of it."""

import json
from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection

from ..alembic_bridge.own_connection import commits_now
from ..schema.schema import Key, Schema
from ..sql.lexer import significant
from ..sql.names import names_in
from ..sql.split import first_word, split
from ..sql.statements import read_statement
from .tape import Effect, Kind

_UNWATCHED = {
    "ACCESS",
    "AGGREGATE",
    "CAST",
    "COLLATION",
    "CONVERSION",
    "EVENT",
    "FOREIGN",
    "GROUP",
    "LANGUAGE",
    "OPERATOR",
    "PUBLICATION",
    "ROLE",
    "SERVER",
    "STATISTICS",
    "SUBSCRIPTION",
    "TEXT",
    "TRANSFORM",
    "USER",
}
QUERIES = {"SELECT", "WITH", "VALUES", "TABLE"}


def kind_of(sql: str, effects: dict[Key, Effect], *, touched: Collection[str] = ()) -> Kind:
    """The kind of a statement by its verbs and effects; several in one text count together.

    `touched` are the tables whose rows it read or wrote, since a query among several statements has no plan.
    """
    texts = split(sql)
    parts = [read_statement(part) for part in texts]
    if any(part.may_do_anything or part.copies_rows for part in parts):
        return "opaque"
    if touched and any(first_word(part) in QUERIES for part in texts):
        return "opaque"
    if any(part.moves_rows for part in parts):
        return "opaque" if len(parts) > 1 else "data"
    if not effects:
        return "opaque" if any(_makes_unwatched(part) for part in texts) else "neutral"
    return "additive" if all(effect.before is None for effect in effects.values()) else "destructive"


def _makes_unwatched(sql: str) -> bool:
    """Whether a statement creates an object of a kind that isn't observed, or moves a sequence."""
    words = [token.word for token in significant(sql)]
    if words[:2] == ["ALTER", "SEQUENCE"]:
        return "RESTART" in words
    return words[:1] == ["CREATE"] and not _UNWATCHED.isdisjoint(words[1:2])


class Query:
    """What a query does by PostgreSQL's plan: which user tables it reads, and whether it moves rows."""

    def __init__(self, plan: Any | None) -> None:
        self._text = json.dumps(plan)
        nodes = list(_nodes(plan))
        self.tables = tuple(sorted({_qualified(node) for node in nodes if _is_user_table(node)}))
        self._tables_by_name = {names_in(table) for table in self.tables}
        self._reads = plan is None or bool(self.tables)
        self._moves_rows = any(node.get("Node Type") == "ModifyTable" for node in nodes)

    @classmethod
    def asked(cls, connection: Connection, sql: str, parameters: Any) -> "Query":
        """Gets the plan of a query that has just run; one that can't be explained counts as reading tables."""
        cursor = connection.connection.cursor()
        within = connection.in_transaction() and not commits_now(connection)
        try:
            if within:
                cursor.execute("SAVEPOINT reconcile_explain")
            try:
                cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) {sql}", parameters)
                (plan,) = cursor.fetchone() or (None,)
            except Exception:  # noqa: BLE001 - a driver's own error, and each driver has its own
                plan = None
            if within:
                cursor.execute("ROLLBACK TO SAVEPOINT reconcile_explain")
        finally:
            cursor.close()
        return cls(json.loads(plan) if isinstance(plan, str) else plan)

    def kind(
        self, sql: str, effects: dict[Key, Effect], *, functions: frozenset[str], touched: Collection[str]
    ) -> Kind | None:
        if read_statement(sql).copies_rows or any(f"{name}(" in self._text for name in functions):
            return "opaque"
        if self._moves_rows:
            return "data"
        if not self._tables_by_name.issuperset(map(names_in, touched)):
            return "opaque"  # by a function, which isn't analysed
        if effects:
            return kind_of(sql, effects)
        return "read" if self._reads else None


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    if isinstance(plan, dict):
        yield plan
        plan = list(plan.values())
    if isinstance(plan, list):
        for part in plan:
            yield from _nodes(part)


def _is_user_table(node: dict[str, Any]) -> bool:
    schema = node.get("Schema", "")
    return "Relation Name" in node and not schema.startswith("pg_") and schema != "information_schema"


def _qualified(node: dict[str, Any]) -> str:
    return ".".join('"' + name.replace('"', '""') + '"' for name in (node["Schema"], node["Relation Name"]))


def functions_in(schema: Schema) -> frozenset[str]:
    """The functions that the chain has created, whose effects aren't known, and `setval`, which moves a sequence."""
    return frozenset(key.name.partition("(")[0] for key in schema if key.kind == "function") | {"setval"}
