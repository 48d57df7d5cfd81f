"""Insert with bound values."""

import sqlalchemy as sa
from alembic import op

revision = "y03"
down_revision = "y02"


def upgrade() -> None:
    rooms = sa.table("rooms", sa.column("id", sa.Integer()), sa.column("name", sa.Text()))
    op.bulk_insert(rooms, [{"id": 901, "name": "100% quiet"}, {"id": 902, "name": "it's loud"}])
    op.add_column("rooms", sa.Column("rate", sa.Integer(), nullable=True))
