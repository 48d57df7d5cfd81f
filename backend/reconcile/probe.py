"""probe: whether what isn't ours lets our writes through, where the catalogs can't tell.

A project's own write is tried in a savepoint, and taken back.
"""

from dataclasses import replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from reconcile.failure import message_of
from reconcile.locate import Location, Verdict
from reconcile.project import Project


def probed(location: Location, connection: Connection, project: Project) -> Location:
    """The location, with what the project's probe says of the objects that are undecided; unchanged without a probe.

    The probe only runs on a database that else is current: on another, its write may fail for many reasons.
    """
    if project.probe is None or not location.undecided or location.verdict is not Verdict.CURRENT:
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
