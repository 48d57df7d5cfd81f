"""Drop an old index and an old column."""

from alembic import op

revision = "d02"
down_revision = "d01"


def upgrade() -> None:
    op.drop_index("ix_customers_name", table_name="customers")
    op.drop_column("customers", "legacy")
    op.alter_column("customers", "name", new_column_name="full_name")
