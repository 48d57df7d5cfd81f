"""Move the odd table, and drop its index."""

from alembic import op

revision = "s04"
down_revision = "s03"


def upgrade() -> None:
    op.execute('DROP INDEX "Odd Name"."The Index"')
    op.execute('ALTER TABLE "Odd Name"."The Table" SET SCHEMA audit')
