"""The base of reconcile's errors, whose text is one plain sentence."""


class ReconcileError(Exception):
    """The schema can't be reconciled; a person can act on the reason."""

    exit_code = 1
    remedies: tuple[str, ...] = ()
