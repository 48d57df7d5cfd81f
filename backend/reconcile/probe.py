"""probe: whether what differs lets our writes through, and gives back what we can read, where the catalogs can't tell.

A project's own write is tried in a savepoint, and taken back. A column that may be NULL again is searched for NULL.
"""

from dataclasses import replace

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from reconcile.advice import NULL_SOMEWHERE
from reconcile.column import Column
from reconcile.failure import message_of
from reconcile.locate import Location, Verdict
from reconcile.project import Project
from reconcile.schema import Difference

_SEARCH_TIMEOUT = text("SET LOCAL statement_timeout = '2s'")


def probed(location: Location, connection: Connection, project: Project) -> Location:
    """The location, with what the project's probe says of the objects that are undecided; unchanged without a probe.

    The probe only runs on a database that else is current: on another, its write may fail for many reasons.
    """
    if location.verdict is not Verdict.CURRENT:
        return location
    null = tuple(item for item in location.tolerated if _may_be_null(item) and _is_null_somewhere(item, connection))
    if null:
        rejecting = tuple(replace(item, found=NULL_SOMEWHERE) for item in null)
        return replace(location, verdict=Verdict.DRIFTED, rejecting=rejecting)
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
    rejecting = tuple(replace(item, found=f"{item.found} ({reason})") for item in location.undecided)
    return replace(location, verdict=Verdict.DRIFTED, rejecting=rejecting, undecided=())


def _may_be_null(item: Difference) -> bool:
    texts = item.expected, item.found
    return item.key.kind == "column" and [bool(text and Column.parse(text).required) for text in texts] == [True, False]


def _is_null_somewhere(item: Difference, connection: Connection) -> bool:
    """What this code doesn't expect to read; where the search takes too long, nothing is said of it."""
    savepoint = connection.begin_nested()
    try:
        connection.execute(_SEARCH_TIMEOUT)
        sql = f"SELECT EXISTS (SELECT FROM {item.key.relation} t WHERE t.{item.key.name} IS NULL)"  # noqa: S608 - quoted
        is_null = connection.exec_driver_sql(sql, execution_options={"no_parameters": True}).scalar()
    except DBAPIError:
        return False
    finally:
        savepoint.rollback()
    return bool(is_null)
