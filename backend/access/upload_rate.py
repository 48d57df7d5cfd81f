"""Limits how many uploads a caller may start per minute. Each server process counts for itself."""

from typing import TYPE_CHECKING

from core.errors import PegasusError

if TYPE_CHECKING:
    from access.moving_window import MovingWindow


class TooManyUploads(PegasusError):
    def __init__(self, *, limit: int, retry_after_seconds: int) -> None:
        super().__init__(f"At most {limit} uploads may begin in a minute; try again in {retry_after_seconds} seconds.")
        self.limit = limit
        self.retry_after_seconds = retry_after_seconds


class UploadRate:
    """Counts uploads over the last 60 seconds; `per_minute` 0 sets no limit."""

    def __init__(self, *, per_minute: int) -> None:
        self._window = _window(per_minute) if per_minute else None

    def check(self, key: str) -> None:
        """Counts an upload under `Caller.rate_limit_key`, unless it raises TooManyUploads."""
        if self._window is not None and not self._window.count(key):
            retry_after_seconds = self._window.seconds_until_room(key)
            raise TooManyUploads(limit=self._window.limit, retry_after_seconds=retry_after_seconds)


def _window(per_minute: int) -> "MovingWindow":
    from access.moving_window import MovingWindow  # noqa: PLC0415 - a fiftieth of a start, and few set a limit

    return MovingWindow(per_minute)
