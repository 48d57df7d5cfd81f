"""Make tables from a block and from a query."""

from alembic import op

revision = "l11"
down_revision = "l10"


def upgrade() -> None:
    op.execute("DO $$ BEGIN CREATE TABLE notes (id integer PRIMARY KEY, body text); END $$")
    op.execute("CREATE TABLE old_books AS SELECT id, title FROM books WHERE pages > 100")
