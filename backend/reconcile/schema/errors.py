"""The errors of reconcile: nouns with fields, whose text is one plain sentence."""


class ReconcileError(Exception):
    """The schema can't be reconciled, for a reason that a person can act on."""

    exit_code = 1
    remedies: tuple[str, ...] = ()
