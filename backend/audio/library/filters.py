"""The filters and the order of a list of recordings."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, func, or_, select

from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.search.index import has_match, matching, not_indexed
from audio.search.speakers import has_speaker, speaks
from core.database.system_tables import digests

SortedBy: TypeAlias = Literal["uploaded", "name", "duration", "size"]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Selects recordings; a None selects any."""

    user_id: str | None = None
    status: ProcessingStatus | None = None
    tag: str | None = None
    category: str | None = None
    sha256: bytes | None = None
    text: str | None = None
    speakers: tuple[str, ...] = ()  # all of whom speak in it
    unindexed: bool = False  # also searches recordings that may not be in the search index yet
    probe_index: bool = False  # looks up each recording in the search index: for few recordings, or frequent words
    probe_speakers: bool = False  # the same for speakers

    def conditions(self, of: type[AudioFile] = AudioFile) -> list[ColumnElement[bool]]:
        """The filters as conditions on the table, or on an alias of it."""
        equal: dict[Any, object] = {
            of.user_id: self.user_id,
            of.processing_status: self.status,
            of.tag: self.tag,
            of.category: self.category,
        }
        conditions = [column == value for column, value in equal.items() if value is not None]
        if self.sha256 is not None:
            same_bytes = select(digests.c.recording_id).where(digests.c.sha256 == self.sha256)
            conditions.append(of.id.expression.in_(same_bytes))
        if self.text is not None:
            match = has_match(self.text, of.id.expression) if self.probe_index else matching(self.text)
            conditions.append(or_(match, not_indexed(self.text)) if self.unindexed else match)
        conditions += [
            has_speaker(name, of.id.expression) if self.probe_speakers else speaks(name) for name in self.speakers
        ]
        return conditions


@dataclass(frozen=True, kw_only=True)
class Sorting:
    """The order of a list; recordings without a sort value come last.

    Equal values are ordered by id, so that their order is the same on every page.
    """

    by: SortedBy = "uploaded"
    descending: bool = True

    def term(self, of: type[AudioFile] = AudioFile) -> ColumnElement[Any]:
        """The expression to sort by."""
        terms: dict[SortedBy, ColumnElement[Any]] = {
            "uploaded": of.upload_timestamp.expression,
            "name": func.lower(func.coalesce(of.original_filename, of.filename)),
            "duration": of.duration_seconds.expression,
            "size": of.file_size_bytes.expression,
        }
        return terms[self.by]


NEWEST_FIRST = Sorting()
EVERYTHING = Filters()
