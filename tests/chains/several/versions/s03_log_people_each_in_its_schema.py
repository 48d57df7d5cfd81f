"""Log people, each in its schema."""

from alembic import op

revision = "s03"
down_revision = "s02"


def upgrade() -> None:
    op.execute(
        "CREATE FUNCTION audit.log_person() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO audit.people (id, was) VALUES (OLD.id + 1000, OLD.name); RETURN NEW; END $$"
    )
    op.execute("CREATE TRIGGER log_people AFTER UPDATE ON people FOR EACH ROW EXECUTE FUNCTION audit.log_person()")
    op.execute('CREATE SCHEMA "Odd Name"')
    op.execute('CREATE TABLE "Odd Name"."The Table" ("The Id" integer PRIMARY KEY, "order" text)')
    op.execute('CREATE INDEX "The Index" ON "Odd Name"."The Table" ("order")')
