"""Generate, comment and grant."""

import sqlalchemy as sa
from alembic import op

revision = "l09"
down_revision = "l08"


def upgrade() -> None:
    op.add_column("books", sa.Column("shout", sa.Text(), sa.Computed("upper(title)", persisted=True), nullable=True))
    op.create_table_comment("books", "What can be read")
    op.alter_column("books", "pages", comment="Without the cover", existing_type=sa.Integer())
    op.execute("GRANT SELECT ON books TO PUBLIC")
    op.add_column(
        "racks", sa.Column("seen_at", sa.DateTime(), server_default=sa.text("'2020-01-01'::timestamp"), nullable=False)
    )
