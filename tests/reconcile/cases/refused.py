"""What can't be dealt with is said at once, in a sentence."""

from .case import Case, form, forms

CASES = (
    *forms(
        Case(
            id="several-databases",
            why="An env.py that migrates one database after another: half of it is never called whole.",
            revisions=('op.create_table("people", sa.Column("id", sa.Integer, primary_key=True))',),
            recordable=False,
            right=("refused",),
            says=("more than one database",),
        ),
        form("two in turn", env="multidb"),
    ),
)
