"""The base of reconcile's errors, whose text is one plain sentence."""


class ReconcileError(Exception):
    """The schema can't be reconciled; a person can act on the reason."""

    exit_code = 1
    remedies: tuple[str, ...] = ()


class ChainUnreadable(ReconcileError):
    """The revisions' files aren't one chain, or not the ones that the tape was recorded from."""

    exit_code = 23

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}: {remedy}")
        self.reason = reason
        self.remedy = remedy
