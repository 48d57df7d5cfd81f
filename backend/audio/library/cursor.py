"""A cursor: where a page of a list ended, as text that the client hands back for the next one.

It holds the place itself and not a number of rows, so the next page begins there whatever has come or gone since. It
lets nobody see more than a list does, so it isn't signed; what isn't such a place is refused.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from audio.library.filters import SortedBy, Sorting
from core.errors import PegasusError

Value: TypeAlias = datetime | str | float | int | None
LONGEST = 8192  # a name of 255 characters, each escaped
_LARGEST = 2**63 - 1


class CursorRefused(PegasusError):
    """A cursor isn't one that a list in this order has given out."""

    def __init__(self) -> None:
        super().__init__("The cursor isn't one that a list in this order has given out.")


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last recording of a page: by what it was sorted there, and its id."""

    sorting: Sorting
    value: Value
    id: UUID

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        told = json.dumps([self.sorting.by, self.sorting.descending, value, self.id.hex], separators=(",", ":"))
        return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, text: str, *, sorting: Sorting) -> "Cursor":
        """The cursor in a text, for a list in that order. Raises CursorRefused."""
        try:
            if len(text) > LONGEST:
                raise CursorRefused
            padded = text + "=" * (-len(text) % 4)
            by, descending, value, identity = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if (by, descending) != (sorting.by, sorting.descending):
                raise CursorRefused
            found = cls(sorting=sorting, value=None if value is None else _value(sorting.by, value), id=UUID(identity))
        except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise CursorRefused from error
        if str(found) != text:
            raise CursorRefused
        return found


def _value(by: SortedBy, told: object) -> Value:
    """A value of the type that is sorted by. Raises ValueError."""
    match by, told:
        case "uploaded", str() if (moment := datetime.fromisoformat(told)).tzinfo is None:
            return moment
        case "name", str() if "\0" not in told and told.encode():
            return told
        case "size", int() if not isinstance(told, bool) and abs(told) <= _LARGEST:
            return told
        case "duration", float():
            return told
    raise ValueError(by)
