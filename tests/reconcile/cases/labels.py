"""Enum labels that differ in case alone: what `create_all` leaves of a Python enum without `values_callable`."""

from .case import Case, form, forms, sql, upgrade

LETTERS = """
op.create_table(
    "letters",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("state", sa.Enum("draft", "sent", "read", name="lettersstate"), nullable=False),
)
op.create_index("letters_state", "letters", ["state"])
"""
MADE = """
CREATE TYPE lettersstate AS ENUM ({});
CREATE TABLE letters (id serial PRIMARY KEY, state lettersstate NOT NULL);
CREATE INDEX letters_state ON letters (state);
"""
UPPER = MADE.format("'DRAFT', 'SENT', 'READ'")
ROWS = sql("INSERT INTO letters (state) VALUES ('SENT'), ('DRAFT')")
STATES = {
    "SELECT string_agg(state::text, ',' ORDER BY id) FROM letters": "sent,draft",
    "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum": "draft,sent,read",
}

KIND = 'sa.Enum("note", "letter", name="letterskind")'
MADE_ONCE = f"{KIND}.create(op.get_bind(), checkfirst=True)"
ADDED = f'op.add_column("letters", sa.Column("kind", {KIND}))'
TEXT = 'op.add_column("letters", sa.Column("text", sa.Text)); op.execute("UPDATE letters SET text = id")'
AHEAD = forms(
    Case(
        id="types-ahead",
        why="Newer code that begins with create_all makes the types of its columns alone, before an upgrade.",
        revisions=(LETTERS, TEXT, f"{MADE_ONCE}; {ADDED}"),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO letters (state) VALUES ('sent')"),
            sql("CREATE TYPE letterskind AS ENUM ('note', 'letter')"),
        ),
        right=("healed",),
        after={"SELECT text FROM letters": "1", "SELECT count(kind) FROM letters": "0"},
        says=("is there before a revision makes it",),
    ),
    form(
        "made by the revision whatever there is",
        revisions=(
            LETTERS,
            TEXT,
            f"op.create_table('parcels', sa.Column('id', sa.Integer), sa.Column('kind', {KIND}))",
        ),
        after={"SELECT text FROM letters": "1", "SELECT count(kind) FROM parcels": "0"},
    ),
    form("by two revisions", revisions=(LETTERS, TEXT, TEXT.replace("text", "more"), f"{MADE_ONCE}; {ADDED}")),
    form(
        "with other labels",
        steps=(
            upgrade("r1"),
            sql("INSERT INTO letters (state) VALUES ('sent')"),
            sql("CREATE TYPE letterskind AS ENUM ('note')"),
        ),
        right=("healed", "refused"),
        says=(),
    ),
)
CASES = AHEAD + forms(
    Case(
        id="labels-in-capitals",
        why="Labels that differ in case alone, all in order, are the same: they are renamed, and the rows with them.",
        revisions=(LETTERS,),
        right=("healed",),
        says=("DRAFT", "draft"),
        after=STATES,
    ),
    form("nothing on record", sql(UPPER), ROWS),
    form("the head on record", upgrade("r1"), sql("DROP TABLE letters; DROP TYPE lettersstate"), sql(UPPER), ROWS),
    form(
        "at a revision before the head",
        sql(UPPER),
        ROWS,
        revisions=(LETTERS, 'op.add_column("letters", sa.Column("text", sa.Text))'),
    ),
    form("with the index to come", sql(UPPER), sql("DROP INDEX letters_state"), ROWS),
    form(
        "one of them right already",
        sql(MADE.format("'DRAFT', 'sent', 'READ'").replace("x", "x")),
        sql("INSERT INTO letters (state) VALUES ('sent'), ('DRAFT')"),
    ),
    form(
        "only the first letter",
        sql(MADE.format("'Draft', 'Sent', 'Read'")),
        sql("INSERT INTO letters (state) VALUES ('Sent'), ('Draft')"),
        says=("Draft",),
    ),
    form(
        "as a default",
        sql(UPPER + "ALTER TABLE letters ALTER state SET DEFAULT 'DRAFT'"),
        ROWS,
        revisions=(LETTERS.replace("nullable=False", 'nullable=False, server_default="draft"'),),
        after=STATES | {"INSERT INTO letters DEFAULT VALUES RETURNING state": "draft"},
    ),
    form(
        "in an index of some rows",
        sql(UPPER + "CREATE INDEX drafts ON letters (id) WHERE state = 'DRAFT'"),
        ROWS,
        revisions=(LETTERS + "op.execute(\"CREATE INDEX drafts ON letters (id) WHERE state = 'draft'\")",),
    ),
    form(
        "in two types",
        sql(UPPER + "CREATE TYPE kind AS ENUM ('HARD', 'SOFT'); ALTER TABLE letters ADD COLUMN kind kind"),
        ROWS,
        revisions=(
            LETTERS.replace(
                'name="lettersstate"), nullable=False),',
                'name="lettersstate"), nullable=False),\n    sa.Column("kind", sa.Enum("hard", "soft", name="kind")),',
            ),
        ),
        says=("DRAFT", "HARD"),
        after={"SELECT string_agg(state::text, ',' ORDER BY id) FROM letters": "sent,draft"},
    ),
    form(
        "in a default, an array, a check and a view",
        sql(
            UPPER + "ALTER TABLE letters ALTER state SET DEFAULT 'DRAFT', ADD COLUMN states lettersstate[],"
            " ADD CONSTRAINT sent CHECK (state <> 'SENT' OR id > 0);"
            " CREATE VIEW unread AS SELECT id FROM letters WHERE state = 'SENT'"
        ),
        sql("INSERT INTO letters (state, states) VALUES ('SENT', '{DRAFT,SENT}'), ('DRAFT', NULL)"),
        revisions=(
            LETTERS
            + """
op.execute(
    "ALTER TABLE letters ALTER state SET DEFAULT 'draft', ADD COLUMN states lettersstate[],"
    " ADD CONSTRAINT sent CHECK (state <> 'sent' OR id > 0)"
)
op.execute("CREATE VIEW unread AS SELECT id FROM letters WHERE state = 'sent'")
""",
        ),
        after=STATES | {"SELECT states FROM letters WHERE id = 1": "{draft,sent}"},
    ),
    form(
        "and a label to come",
        sql(UPPER),
        ROWS,
        revisions=(
            LETTERS,
            "with op.get_context().autocommit_block():\n    op.execute(\"ALTER TYPE lettersstate ADD VALUE 'lost'\")",
            'op.add_column("letters", sa.Column("text", sa.Text))',
        ),
        after={
            "SELECT string_agg(state::text, ',' ORDER BY id) FROM letters": "sent,draft",
            "SELECT string_agg(enumlabel, ',' ORDER BY enumsortorder) FROM pg_enum": "draft,sent,read,lost",
        },
    ),
    form(
        "in another order",
        sql(MADE.format("'SENT', 'DRAFT', 'READ'")),
        ROWS,
        right=("refused",),
        says=("lettersstate",),
        after={},
    ),
    form(
        "with one too many",
        sql(MADE.format("'DRAFT', 'SENT', 'READ', 'LOST'")),
        ROWS,
        holds="more",
        right=("refused",),
        says=("lettersstate",),
        after={},
    ),
    form(
        "two of the chain's own that differ in case alone",
        upgrade("r1"),
        sql("INSERT INTO letters (state) VALUES ('draft'), ('DRAFT')"),
        revisions=(LETTERS.replace('"sent", "read"', '"DRAFT"'),),
        right=("current",),
        says=(),
        after={"SELECT string_agg(state::text, ',' ORDER BY id) FROM letters": "draft,DRAFT"},
    ),
)

READ_ALOUD = "op.execute(\"ALTER TYPE lettersstate ADD VALUE 'loud' AFTER 'draft'\")"
CASES += forms(
    Case(
        id="label-used-later",
        why="A label that a transaction has added can't be used in it: where Alembic commits between, a heal does.",
        revisions=(
            LETTERS,
            READ_ALOUD,
            "op.execute(\"UPDATE letters SET state = 'loud' WHERE state = 'read'\")",
            'op.add_column("letters", sa.Column("text", sa.Text))',
        ),
        steps=(upgrade("r1"), sql("INSERT INTO letters (state) VALUES ('read'), ('sent')")),
        env="transaction_per_migration",
        right=("healed",),
        says=("commit",),
        after={"SELECT string_agg(state::text, ',' ORDER BY id) FROM letters": "loud,sent"},
    ),
    form("from the revision before it"),
    form("no version on record", sql("DELETE FROM alembic_version")),
    form(
        "half of the revision that adds it there",
        sql("ALTER TYPE lettersstate ADD VALUE 'loud' AFTER 'draft'"),
        revisions=(
            LETTERS,
            f"{READ_ALOUD}\n{READ_ALOUD.replace('loud', 'aloud')}",
            "op.alter_column('letters', 'state', server_default='aloud')",
        ),
        after={"INSERT INTO letters DEFAULT VALUES RETURNING state": "aloud"},
    ),
)
