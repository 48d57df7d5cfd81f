"""Name the schema that was healed: a database may hold many, each healed by itself."""

import sqlalchemy as sa
from alembic import op

revision = "j002"
down_revision = "j001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("heals", sa.Column("home", sa.Text()))


def downgrade() -> None:
    op.drop_column("heals", "home")
