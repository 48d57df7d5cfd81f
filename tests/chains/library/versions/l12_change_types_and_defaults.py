"""Change types and defaults."""

import sqlalchemy as sa
from alembic import op

revision = "l12"
down_revision = "l11"


def upgrade() -> None:
    op.alter_column("authors", "born", server_default=sa.text("1900"))
    op.alter_column("authors", "born", type_=sa.Integer(), existing_type=sa.SmallInteger())
    op.alter_column("racks", "width", type_=sa.Float(), existing_type=sa.Numeric(6, 2))
