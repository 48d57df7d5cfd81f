"""Create rooms, several statements at once."""

import sqlalchemy as sa
from alembic import op

revision = "y01"
down_revision = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE rooms (id integer PRIMARY KEY, name text);
        CREATE INDEX ix_rooms_name ON rooms (name);
    """)
    op.create_table(
        "guests",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("room_id", sa.Integer(), sa.ForeignKey("rooms.id")),
    )
