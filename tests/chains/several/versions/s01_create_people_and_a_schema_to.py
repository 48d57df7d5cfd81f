"""Create people, and a schema to watch them."""

import sqlalchemy as sa
from alembic import op

revision = "s01"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "people", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("name", sa.Text(), nullable=False)
    )
    op.execute("CREATE SCHEMA audit")
    op.create_table(
        "people", sa.Column("id", sa.Integer(), primary_key=True), sa.Column("was", sa.Text()), schema="audit"
    )
    op.create_index("ix_audit_people_was", "people", ["was"], schema="audit")
