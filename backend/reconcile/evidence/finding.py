"""What rows prove about a statement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What the rows prove about a statement: that it ran or hasn't, or (None) that it would change nothing now.

    Where an earlier statement hasn't run, it may change something after that. `sentence` describes the rows in the
    report.
    """

    ran: bool | None
    sentence: str
