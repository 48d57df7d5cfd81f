"""Rate authors, and count pages once more."""

import sqlalchemy as sa
from alembic import op

revision = "l14"
down_revision = "l13"


def upgrade() -> None:
    op.add_column("authors", sa.Column("rating", sa.Integer(), nullable=True))
    op.execute("UPDATE books SET pages = pages * 2")
