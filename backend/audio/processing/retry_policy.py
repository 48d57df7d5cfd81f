"""How often and after how long a job is retried."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True)
class RetryPolicy:
    """A worker's retries. Outages of the database, storage or decoder are waited for without a limit.

    `kills` is how often a job's worker or decoder may be killed, `tries` how often it may fail unexpectedly,
    `engine_tries` how often its engine may be busy or away. A worker without a heartbeat for `heartbeat` counts as
    dead; one that stops gives its jobs `drain_seconds` to end.
    """

    kills: int = 3
    tries: int = 3
    engine_tries: int = 12
    first_delay: timedelta = timedelta(seconds=5)
    longest_delay: timedelta = timedelta(minutes=10)
    heartbeat: timedelta = timedelta(seconds=30)
    poll: timedelta = timedelta(seconds=1)
    reconnect_seconds: float = 1
    drain_seconds: float = 10

    def delay(self, attempts: int) -> timedelta:
        """How long to wait after `attempts` tries: exponential backoff."""
        return min(self.first_delay * (1 << min(attempts, 20)), self.longest_delay)
