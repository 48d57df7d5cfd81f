"""Link the schemas."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "s02"
down_revision = "s01"


def upgrade() -> None:
    op.add_column("people", sa.Column("person_id", sa.Integer(), nullable=True), schema="audit")
    op.create_foreign_key(
        "audit_person", "people", "people", ["person_id"], ["id"], source_schema="audit", referent_schema="public"
    )
    op.execute("CREATE TYPE audit.level AS ENUM ('low', 'high')")
    op.add_column(
        "people", sa.Column("level", postgresql.ENUM(name="level", schema="audit", create_type=False)), schema="audit"
    )
