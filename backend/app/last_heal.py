"""What the journal of heals says last, in a sentence for whoever looks after this server."""

from typing import Any

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from api.health_checks import LastHeal
from app.schema_healing import on_database
from core.errors import PegasusError
from core.settings import Settings
from reconcile.journal.journal import Journal
from reconcile.location.locate import Verdict
from reconcile.tape.project import Project

log = structlog.get_logger(__name__)
EXAMINED = 50
SENTENCES: dict[str, str] = {
    Verdict.EMPTY: "The tables were made.",
    Verdict.BEHIND: "The schema was brought up to date.",
    Verdict.ADOPTED: "The schema was right and its version on record wasn't: that was put right.",
    Verdict.INCOMPLETE: "Parts of the schema were missing and were added.",
    Verdict.DRIFTED: "Parts of the schema differed and were put right.",
}


async def last_heal(settings: Settings) -> LastHeal | None:
    """The last heal on record; None without one, or where the journal can't be read: nobody is held up by that."""
    try:
        rows = await on_database(settings, _read)
    except (PegasusError, SQLAlchemyError) as error:
        log.warning("the journal of heals can't be read", reason=str(error))
        return None
    return _newest(rows)


def _read(connection: Connection, project: Project) -> list[dict[str, Any]]:
    return Journal(project).history(connection, limit=EXAMINED)


def _newest(rows: list[dict[str, Any]]) -> LastHeal | None:
    """The newest heal; that of an empty database only where there is no other."""
    heals = [row for row in rows if row["verdict"] != Verdict.EMPTY]
    row = next(iter(heals or rows), None)
    return None if row is None else LastHeal(**summary(row))


def summary(row: dict[str, Any]) -> dict[str, Any]:
    """The fields of LastHeal, from a row of the journal."""
    same = {name: row[name] for name in ("verdict", "outcome", "seconds")}
    return same | {"at": row["started_at"], "sentence": _sentence(row)}


def _sentence(row: dict[str, Any]) -> str:
    if row["outcome"] != "healed":
        return "A heal has begun and isn't finished." if row["outcome"] == "begun" else "The last heal failed."
    return SENTENCES.get(row["verdict"], "The schema was healed.")  # a newer Pegasus may have other verdicts
