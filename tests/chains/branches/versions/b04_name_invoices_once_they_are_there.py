"""Name invoices, once they are there."""

import sqlalchemy as sa
from alembic import op

revision = "b04"
down_revision = "b03"
depends_on = "b02"


def upgrade() -> None:
    op.add_column("sessions", sa.Column("agent", sa.Text(), nullable=True))
    op.add_column("invoices", sa.Column("label", sa.Text(), nullable=True))
