"""Which recordings a list is asked for, and in which order."""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sqlalchemy import ColumnElement, func, or_

from audio.model.audio_file import AudioFile, ProcessingStatus
from audio.search.index import has_match, matching, not_indexed

SortedBy: TypeAlias = Literal["uploaded", "name", "duration", "size"]


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which recordings are asked for; None asks for any."""

    user_id: str | None = None
    status: ProcessingStatus | None = None
    tag: str | None = None
    category: str | None = None
    text: str | None = None
    unindexed: bool = False  # whether there may be some that the search index doesn't know yet
    one_by_one: bool = False  # looks each recording up in the search index: for few of them, or for frequent words

    def conditions(self, of: type[AudioFile] = AudioFile) -> list[ColumnElement[bool]]:
        """The same as conditions on the table, or on an alias of it."""
        equal: dict[Any, object] = {
            of.user_id: self.user_id,
            of.processing_status: self.status,
            of.tag: self.tag,
            of.category: self.category,
        }
        found = [column == value for column, value in equal.items() if value is not None]
        if self.text is not None:
            match = has_match(self.text, of.id.expression) if self.one_by_one else matching(self.text)
            found.append(or_(match, not_indexed(self.text)) if self.unindexed else match)
        return found


@dataclass(frozen=True, kw_only=True)
class Sorting:
    """In which order recordings are asked for; those that don't have what is sorted by come last.

    The id makes an order of equals that stays the same from page to page.
    """

    by: SortedBy = "uploaded"
    descending: bool = True

    def term(self, of: type[AudioFile] = AudioFile) -> ColumnElement[Any]:
        """What is sorted by."""
        terms: dict[SortedBy, ColumnElement[Any]] = {
            "uploaded": of.upload_timestamp.expression,
            "name": func.lower(func.coalesce(of.original_filename, of.filename)),
            "duration": of.duration_seconds.expression,
            "size": of.file_size_bytes.expression,
        }
        return terms[self.by]


NEWEST_FIRST = Sorting()
EVERYTHING = Filters()
