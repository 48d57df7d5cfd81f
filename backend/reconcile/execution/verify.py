"""Verifies that the schema equals the end of the tape: only then it counts as healed."""

from ..location.locate import Location, Verdict
from ..schema.errors import ReconcileError


class VerificationFailed(ReconcileError):
    """After all steps the schema still isn't the end of the tape; everything was rolled back."""

    def __init__(self, location: Location) -> None:
        differences = (*location.missing, *location.differing, *location.unpopulated, *location.rejecting)
        sentence = "; ".join(map(str, differences))
        super().__init__(f"after all steps the database would be {location.verdict}: {sentence or location.claimed}")
        self.location = location


def verify(location: Location) -> None:
    """Checks the location after the steps, before they are committed.

    Raises:
        VerificationFailed: it isn't the end of the tape, or the version on record isn't.
    """
    if location.verdict is not Verdict.CURRENT:
        raise VerificationFailed(location)
