"""Constrain loans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "l08"
down_revision = "l07"


def upgrade() -> None:
    op.create_table(
        "loans",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), primary_key=True),
        sa.Column("book_id", sa.Integer(), nullable=False),
        sa.Column("days", postgresql.INT4RANGE(), nullable=False),
    )
    op.create_foreign_key("loans_book_fkey", "loans", "books", ["book_id"], ["id"])
    op.create_check_constraint("loans_not_empty", "loans", "NOT isempty(days)")
    op.create_exclude_constraint("loans_one_at_a_time", "loans", (sa.column("days"), "&&"), using="gist")
    op.create_unique_constraint("racks_storey_code_key", "racks", ["storey", "code"])
