"""Count pages from the cover on, then index racks."""

import sqlalchemy as sa
from alembic import op

revision = "l10"
down_revision = "l09"


def upgrade() -> None:
    op.execute("UPDATE books SET pages = pages + 2")
    op.create_index("ix_racks_storey", "racks", ["storey"])
    op.add_column("racks", sa.Column("width", sa.Numeric(6, 2), nullable=True))
