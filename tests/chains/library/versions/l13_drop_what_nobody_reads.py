"""Drop what nobody reads."""

from alembic import op

revision = "l13"
down_revision = "l12"


def upgrade() -> None:
    op.drop_index("ix_books_title", table_name="books")
    op.drop_column("racks", "width")
    op.drop_table("notes")
    op.execute("DROP VIEW long_books")
