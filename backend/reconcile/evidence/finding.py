"""finding: what the rows prove."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What the rows prove about a statement: it ran, it has not, or (None) it has nothing to do on them, ran or not.

    Nothing to do on the rows as they are: where a statement before it has not run, it may have afterwards.
    `sentence` says what was seen, for the report.
    """

    ran: bool | None
    sentence: str
