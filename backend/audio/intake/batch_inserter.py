"""Rows that arrive while others are being inserted go in together next, in one statement and one transaction."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from audio.intake.insert import NewRow, OutcomeUnknown, insert
from audio.model.duplicates import Original
from core.batching import Batches
from core.database.engine import Sessions
from core.errors import DatabaseProblem


class BatchInserter:
    """Inserts the rows of recordings for all requests of this process."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._rows = Batches(self._enter_all, common=(DatabaseProblem, OutcomeUnknown))

    async def enter(self, row: NewRow) -> Original | None:
        """Returns when the row is committed, with its job, what was there with the same bytes. Raises as `insert`."""
        return await self._rows.put(row)

    async def _enter_all(self, rows: Sequence[NewRow]) -> Sequence[Original | None]:
        originals: Mapping[UUID, Original] | None = None
        try:
            async with self._sessions.driver_connection() as connection:
                originals = await insert(connection, rows)
        except Exception as error:
            if originals is not None:  # it is the COMMIT that failed, where that is a statement of its own
                raise OutcomeUnknown from error
            raise
        return [originals.get(row.recording.id) for row in rows]
