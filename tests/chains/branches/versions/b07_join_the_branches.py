"""Join the branches."""

revision = "b07"
down_revision = ("b04", "b06")


def upgrade() -> None:
    pass
