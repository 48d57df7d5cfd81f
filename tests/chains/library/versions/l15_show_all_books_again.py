"""Show all books again."""

from alembic import op

revision = "l15"
down_revision = "l14"


def upgrade() -> None:
    op.execute(
        "CREATE VIEW all_books AS SELECT b.id, b.title, a.name FROM books b JOIN authors a ON a.id = b.author_id"
    )
    op.create_index("ix_authors_rating", "authors", ["rating"])
