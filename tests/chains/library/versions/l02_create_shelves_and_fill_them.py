"""Create shelves and fill them."""

import sqlalchemy as sa
from alembic import op

revision = "l02"
down_revision = "l01"


def upgrade() -> None:
    shelves = op.create_table(
        "shelves",
        sa.Column("code", sa.String(10), primary_key=True),
        sa.Column("floor", sa.Integer(), nullable=False),
    )
    op.bulk_insert(shelves, [{"code": "A", "floor": 1}, {"code": "B", "floor": 2}])
