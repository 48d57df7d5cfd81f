"""Slug songs, again and again if need be."""

from alembic import op

revision = "p02"
down_revision = "p01"
replay_safe = True


def upgrade() -> None:
    op.execute("ALTER TABLE songs ADD COLUMN IF NOT EXISTS slug text")
    op.execute("UPDATE songs SET slug = lower(title) WHERE slug IS NULL")
    op.execute("ALTER TABLE songs ALTER COLUMN slug SET NOT NULL")
    op.execute("CREATE INDEX IF NOT EXISTS ix_songs_slug ON songs (slug)")
