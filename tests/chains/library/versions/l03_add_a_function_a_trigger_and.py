"""Add a function, a trigger and a view."""

from alembic import op

revision = "l03"
down_revision = "l02"


def upgrade() -> None:
    op.execute("ALTER TABLE books ADD COLUMN touched timestamptz")
    op.execute(
        "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN NEW.touched := '2020-01-01 00:00:00+00'; RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER touch_books BEFORE UPDATE ON books FOR EACH ROW EXECUTE FUNCTION touch()")
    op.execute(
        "CREATE VIEW long_books AS SELECT b.id, a.name FROM books b"
        " JOIN authors a ON a.id = b.author_id WHERE pages > 500"
    )
