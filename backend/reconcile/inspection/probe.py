"""Tests whether differences reject our writes or return values that we can't read, where the catalogs can't tell.

A project's own write is tried in a savepoint, and rolled back. A column that has become nullable is searched for NULL,
and a column of an enum with more labels for those labels.
"""

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..location.locate import Location, Verdict
from ..planning.advice import IN_SOME_ROWS
from ..schema.column import Column
from ..schema.compatibility import labels_beside
from ..schema.postgres_errors import message_of
from ..schema.schema import Difference, Key
from ..tape.project import Project

_SEARCH_TIMEOUT = text("SET LOCAL statement_timeout = '2s'")


def probed(location: Location, connection: Connection, project: Project) -> Location:
    """The location with undecided objects judged by the project's probe; unchanged without a probe.

    The probe runs only on a database that is current otherwise: on another its write may fail for other reasons.
    """
    if location.verdict is not Verdict.CURRENT:
        return location
    unexpected = tuple(item for item, where in _unexpected(location) if _is_in_rows(item.key, where, connection))
    if unexpected:
        return replace(location, verdict=Verdict.DRIFTED, rejecting=unexpected)
    if project.probe is None or not location.undecided:
        return location
    savepoint = connection.begin_nested()
    try:
        reason = project.probe(connection)
    except DBAPIError as error:
        reason = message_of(error)
    finally:
        savepoint.rollback()
    if not reason:
        return replace(location, undecided=())
    rejecting = tuple(replace(item, actual=f"{item.actual} ({reason})") for item in location.undecided)
    return replace(location, verdict=Verdict.DRIFTED, rejecting=rejecting, undecided=())


def _unexpected(location: Location) -> Iterator[tuple[Difference, str]]:
    """The values that this code can't read, with the conditions that find them."""
    for item in location.tolerated:
        if _may_be_null(item):
            yield replace(item, actual=f"NULL{IN_SOME_ROWS}"), "IS NULL"
        if item.key.kind == "type":
            labels = ", ".join(labels_beside(item.expected or "", item.actual or ""))
            of_type = {item.key.path: f"IN ({labels})", f"{item.key.path}[]": f"&& ARRAY[{labels}]::{item.key.path}[]"}
            for key, text in location.words.ours.items():
                if key.kind == "column" and (where := of_type.get(Column.parse(text).type)):
                    yield Difference(key, text, f"{labels}{IN_SOME_ROWS}"), where


def _may_be_null(item: Difference) -> bool:
    texts = item.expected, item.actual
    return item.key.kind == "column" and [bool(text and Column.parse(text).required) for text in texts] == [True, False]


def _is_in_rows(column: Key, where: str, connection: Connection) -> bool:
    """Whether a row matches; False where the search takes too long."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(_SEARCH_TIMEOUT)
        sql = f"SELECT EXISTS (SELECT FROM {column.relation} t WHERE t.{column.name} {where})"  # noqa: S608 - quoted
        is_there = connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar()
    except DBAPIError:
        return False
    finally:
        savepoint.rollback()
    return bool(is_there)
