"""Create authors and books."""

import sqlalchemy as sa
from alembic import op

revision = "l01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "authors",
        sa.Column("id", sa.Integer(), sa.Identity(), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("born", sa.SmallInteger(), nullable=True),
        comment="Who wrote it",
    )
    op.create_table(
        "books",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("author_id", sa.Integer(), sa.ForeignKey("authors.id", ondelete="CASCADE"), nullable=False),
        sa.Column("title", sa.Text(), server_default="untitled", nullable=False),
        sa.Column("genre", sa.Enum("novel", "poem", name="genre"), nullable=True),
        sa.Column("pages", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("pages >= 0", name="pages_not_negative"),
    )
    op.create_index("ix_books_title", "books", ["title"])
