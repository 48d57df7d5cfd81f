"""A cursor: the end of a page, as text that the client sends back for the next page.

It holds the last recording's sort value and id, not a number of rows, so that rows which were added or removed since
don't shift the next page. It gives no more access than a list, so it isn't signed; a malformed one is refused.
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
    message = "The cursor isn't one that a list in this order has given out."


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The last recording of a page: its sort value and its id."""

    sorting: Sorting
    value: Value
    id: UUID

    def __str__(self) -> str:
        value = self.value.isoformat() if isinstance(self.value, datetime) else self.value
        text = json.dumps([self.sorting.by, self.sorting.descending, value, self.id.hex], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, text: str, *, sorting: Sorting) -> "Cursor":
        """Parses the cursor of a list in an order. Raises CursorRefused."""
        try:
            if len(text) > LONGEST:
                raise CursorRefused
            padded = text + "=" * (-len(text) % 4)
            by, descending, value, identity = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if (by, descending) != (sorting.by, sorting.descending):
                raise CursorRefused
            cursor = cls(sorting=sorting, value=None if value is None else _value(sorting.by, value), id=UUID(identity))
        except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise CursorRefused from error
        if str(cursor) != text:
            raise CursorRefused
        return cursor


def _value(by: SortedBy, value: object) -> Value:
    """The sort value, as its type. Raises ValueError."""
    match by, value:
        case "uploaded", str() if (moment := datetime.fromisoformat(value)).tzinfo is None:
            return moment
        case "name", str() if "\0" not in value and value.encode():
            return value
        case "size", int() if not isinstance(value, bool) and abs(value) <= _LARGEST:
            return value
        case "duration", float():
            return value
    raise ValueError(by)
