"""Not here yet."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Connection


@dataclass(frozen=True)
class Finding:
    ran: bool | None
    sentence: str


def examine(
    connection: Connection, sql: str, *, created_tables: Collection[str], added_columns: Collection[tuple[str, str]]
) -> Finding | None:
    return None


def examine_read(connection: Connection, tables: Collection[str]) -> Finding | None:
    return None
