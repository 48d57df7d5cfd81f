"""Several statements in one text: one that moves rows hides behind no quote and no comment."""

from .case import Case, form, forms, sql, upgrade

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
INDEX = 'op.create_index("notes_text", "notes", ["text"])'

CASES = (
    *forms(
        Case(
            id="hidden-update",
            why="The UPDATE is there, however the text before it is quoted: whether it ran can't be seen.",
            revisions=(NOTES, "", INDEX),
            steps=(upgrade("r1"), sql("INSERT INTO notes (text) VALUES ('x')")),
            right=("refused",),
            never=("Verified",),
        ),
        form(
            "backslash before a quote",
            sql("COMMENT ON TABLE notes IS 'isn''t'; CREATE INDEX notes_text ON notes (text)"),
            revisions=(
                NOTES,
                """op.execute(r"COMMENT ON TABLE notes IS E'isn\\'t'; UPDATE notes SET text = 'y'")""",
                INDEX,
            ),
        ),
    ),
)
