"""Changes many recordings at once, which are named by their ids or selected by filters.

They are changed in batches. Rows and announcements of a batch are one transaction, and storage follows it, as for a
single recording. Each change may be repeated: it leaves alone what it has done already.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, or_, update

from audio.events.announcements import announcing
from audio.library import removal
from audio.library.cursor import Cursor
from audio.library.filters import Filters
from audio.library.recordings import RecordingMissing, Recordings, RetryRefused
from audio.model import repository
from audio.model.audio_file import AudioFile
from audio.model.details import checked_labels
from core.errors import PegasusError
from storage.contract import StorageError

LARGEST = 1000  # recordings of one request
BATCH_ROWS = 100  # are locked until their manifests are written


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The recordings that the filters select; with `ids` those of them. The owner is one of the filters."""

    filters: Filters
    ids: Sequence[UUID] | None = None

    def conditions(self, ids: Sequence[UUID]) -> list[ColumnElement[bool]]:
        """The conditions for some of its recordings; one that was changed since it was selected doesn't meet them.

        A search isn't repeated.
        """
        return [repository.any_of(ids), *replace(self.filters, text=None).conditions()]

    async def batches(
        self, recordings: Recordings, *, after: Cursor | None
    ) -> AsyncGenerator[tuple[Sequence[UUID], Cursor | None]]:
        """The ids in batches, each with the cursor of the next; a filter's in the order of a list."""
        if self.ids is not None:
            ids = list(dict.fromkeys(self.ids))
            for at in range(0, len(ids), BATCH_ROWS):
                yield ids[at : at + BATCH_ROWS], None
            return
        async with aclosing(recordings.pages(self.filters, limit=BATCH_ROWS, after=after)) as pages:
            async for page in pages:
                yield [recording.id for recording in page.items], page.after


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of recordings, by their ids. Those behind the cursor `after` are still to be changed."""

    changed: Sequence[UUID] = ()
    unchanged: Sequence[UUID] = ()
    missing: Sequence[UUID] = ()
    refused: Mapping[UUID, PegasusError] = field(default_factory=dict)
    after: Cursor | None = None

    def __len__(self) -> int:
        return len(self.changed) + len(self.unchanged) + len(self.missing) + len(self.refused)

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            changed=[*self.changed, *other.changed],
            unchanged=[*self.unchanged, *other.unchanged],
            missing=[*self.missing, *other.missing],
            refused={**self.refused, **other.refused},
            after=other.after,
        )


Change: TypeAlias = Callable[[Recordings, Selection, Sequence[UUID]], Awaitable[Outcome]]


async def change_many(
    recordings: Recordings, selection: Selection, change: Change, *, after: Cursor | None = None
) -> Outcome:
    """Changes LARGEST recordings of a selection at most, those behind the cursor. Raises as the change does."""
    outcome = Outcome()
    async with aclosing(selection.batches(recordings, after=after)) as batches:
        async for ids, next_ in batches:
            outcome += replace(await change(recordings, selection, ids), after=next_)
            if len(outcome) >= LARGEST:
                break
    return outcome


async def rename(recordings: Recordings, filters: Filters, labels: Mapping[str, str | None]) -> int:
    """Gives all recordings that have a label another one, and returns how many. Raises LabelRefused."""
    changed, selection = 0, Selection(filters=filters)
    async with aclosing(selection.batches(recordings, after=None)) as batches:
        async for ids, _ in batches:
            changed += len((await relabelling(labels)(recordings, selection, ids)).changed)
    return changed


def relabelling(labels: Mapping[str, str | None]) -> Change:
    """Sets labels; those that aren't named stay. Raises LabelRefused."""
    labels = checked_labels(labels)
    is_different = or_(*(getattr(AudioFile, name).is_distinct_from(text) for name, text in labels.items()))

    async def relabel(recordings: Recordings, selection: Selection, ids: Sequence[UUID]) -> Outcome:
        async with recordings.sessions() as session:
            existing = await repository.lock(session, selection.conditions(ids))
            statement = update(AudioFile).where(repository.any_of(existing), is_different).values(labels)
            changed = [row.id for row in await session.execute(announcing(statement, change="relabelled"))]
            await session.commit()
        await recordings.renew_manifests(changed)
        return _outcome(ids, changed=changed, existing=existing)

    return relabel


async def delete(recordings: Recordings, selection: Selection, ids: Sequence[UUID]) -> Outcome:
    """Deletes recordings with their bytes."""
    async with recordings.sessions() as session:
        existing = await repository.lock(session, selection.conditions(ids))
        paths = await removal.remove(session, [repository.any_of(existing)])
        await session.commit()
    await recordings.remove_bytes(paths)
    return _outcome(ids, changed=paths)


async def retry(recordings: Recordings, selection: Selection, ids: Sequence[UUID]) -> Outcome:
    """Processes recordings again, each in a transaction of its own."""
    changed: list[UUID] = []
    refused: dict[UUID, PegasusError] = {}
    for recording_id in ids:
        try:
            await recordings.retry(recording_id, owner=selection.filters.user_id)
            changed.append(recording_id)
        except RecordingMissing:
            continue
        except (RetryRefused, StorageError) as error:
            refused[recording_id] = error
    return _outcome(ids, changed=changed, refused=refused)


def _outcome(
    ids: Sequence[UUID],
    *,
    changed: Collection[UUID],
    existing: Collection[UUID] = (),
    refused: Mapping[UUID, PegasusError] | None = None,
) -> Outcome:
    """The outcome of a batch, in its order; those that exist and were neither changed nor refused are as they were."""
    changed, refused = set(changed), refused or {}
    unchanged = {*existing} - changed
    rest = {*ids} - changed - unchanged - {*refused}
    in_order = [[recording_id for recording_id in ids if recording_id in part] for part in (changed, unchanged, rest)]
    return Outcome(changed=in_order[0], unchanged=in_order[1], missing=in_order[2], refused=refused)
