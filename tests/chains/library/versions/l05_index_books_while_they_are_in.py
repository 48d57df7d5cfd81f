"""Index books while they are in use."""

from alembic import op

revision = "l05"
down_revision = "l04"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("ix_books_pages", "books", ["pages"], postgresql_concurrently=True)
        op.execute("CREATE UNIQUE INDEX CONCURRENTLY ux_books_author_title ON books (author_id, title)")
