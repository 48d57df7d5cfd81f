r"""Several statements in one text: one that moves rows hides behind no quote and no comment."""

from .case import Case, form, forms, sql, upgrade

NOTES = 'op.create_table("notes", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
INDEX = 'op.create_index("notes_text", "notes", ["text"])'
UPDATE = "UPDATE notes SET text = 'y'"


def running(text: str) -> tuple[str, str, str]:
    """A chain whose second revision runs a text of SQL by the driver, as it stands."""
    return NOTES, f"op.get_bind().exec_driver_sql({text!r})", INDEX


HIDDEN = forms(
    Case(
        id="hidden-update",
        why="The UPDATE is there, however the text before it is quoted: whether it ran can't be seen.",
        revisions=(),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x'); CREATE INDEX notes_text ON notes (text)"),
        ),
        right=("refused",),
        never=("Verified",),
        truth="r1",
        after={"SELECT text FROM notes": "y"},
    ),
    form("a backslash before a quote", revisions=running(rf"COMMENT ON TABLE notes IS E'isn\'t'; {UPDATE}")),
    form("a backslash before a backslash", revisions=running(rf"COMMENT ON TABLE notes IS E'\\'; {UPDATE}; SELECT ''")),
    form("a backslash that is one", revisions=running(rf"COMMENT ON TABLE notes IS '\'; {UPDATE}; SELECT ''")),
    form("a small e", revisions=running(rf"COMMENT ON TABLE notes IS e'\''; {UPDATE}")),
    form("a string in two parts", revisions=running(f"COMMENT ON TABLE notes IS 'a;'\n ';b'; {UPDATE}")),
    form("unicode escapes", revisions=running(rf"COMMENT ON TABLE notes IS U&'\0027;\005C'; {UPDATE}")),
    form(
        "a name with a quote",
        revisions=running(f'CREATE INDEX "o\'clock" ON notes (id); DROP INDEX "o\'clock"; {UPDATE}'),
    ),
    form("a comment with a quote", revisions=running(f"SELECT 1 /* isn't */; {UPDATE} -- isn't")),
    form("a comment in a comment", revisions=running(f"/* a /* b */ ' */ SELECT 1; {UPDATE}")),
    form("a line of comment", revisions=running(f"-- isn't\n{UPDATE}")),
    form("a comment that ends in a string", revisions=running(f"SELECT '/*'; {UPDATE}; SELECT '*/'")),
    form("two dashes in a string", revisions=running(f"COMMENT ON TABLE notes IS '--'; {UPDATE}")),
    form("dollar quotes", revisions=running(f"DO $$ BEGIN PERFORM ';'; END $$; {UPDATE}")),
    form("dollar quotes in dollar quotes", revisions=running(f"DO $a$ BEGIN PERFORM $b$';$b$; END $a$; {UPDATE}")),
    form("a dollar in a name", revisions=running(f"SELECT 1 AS a$b$; {UPDATE}; SELECT 2 AS a$b$")),
    form(
        "a function that is written in SQL",
        revisions=running(
            "CREATE FUNCTION one() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; END;" + UPDATE
        ),
        right=("refused", "healed"),
        never=(),
    ),
    form("in a common table expression", revisions=running(f"WITH done AS ({UPDATE} RETURNING 1) SELECT * FROM done")),
    form("explained while it runs", revisions=running(f"EXPLAIN (ANALYZE) {UPDATE}")),
    form("prepared first", revisions=running(f"PREPARE p AS {UPDATE}; EXECUTE p; DEALLOCATE p")),
    form("in small letters over lines", revisions=running("\n\tupdate\n  notes\nset text='y'\n;")),
    form("in a block", revisions=running(f"DO 'BEGIN {UPDATE.replace(chr(39), chr(39) * 2)}; END'")),
    form(
        "in a MERGE",
        revisions=running("MERGE INTO notes n USING (SELECT 1) o ON true WHEN MATCHED THEN UPDATE SET text = 'y'"),
    ),
    form(
        "in a function",
        revisions=(
            NOTES + f'\nop.execute("CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $$ {UPDATE} $$")',
            'op.execute("SELECT f()")',
            INDEX,
        ),
    ),
    form(
        "in a procedure",
        revisions=(
            NOTES + f'\nop.execute("CREATE PROCEDURE f() LANGUAGE sql AS $$ {UPDATE} $$")',
            'op.execute("CALL f()")',
            INDEX,
        ),
    ),
    form("by op.execute", revisions=(NOTES, f"op.execute(r\"COMMENT ON TABLE notes IS E'isn\\'t'; {UPDATE}\")", INDEX)),
    form(
        "with strings as they were long ago",
        revisions=(
            NOTES,
            rf"""
op.execute("SET LOCAL standard_conforming_strings = off")
op.get_bind().exec_driver_sql(r"COMMENT ON TABLE notes IS 'isn\'t'; {UPDATE}; SELECT ''")
""",
            INDEX,
        ),
    ),
)

SHOWN = forms(
    Case(
        id="no-update",
        why="What only looks like a statement that moves rows moves none: nothing is in doubt.",
        revisions=(),
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x'); CREATE INDEX notes_text ON notes (text)"),
        ),
        right=("healed",),
        after={"SELECT text FROM notes": "x"},
        holds="any",
    ),
    form("in a string", revisions=running("COMMENT ON TABLE notes IS '; UPDATE notes SET text = 1'")),
    form(
        "in a string with a backslash", revisions=running(r"COMMENT ON TABLE notes IS E'\'; UPDATE notes SET text = 1'")
    ),
    form("in a comment", revisions=running(f"COMMENT ON TABLE notes IS 'x' /* ; {UPDATE} */")),
    form("in a comment in a comment", revisions=running(f"/* /* */ ; {UPDATE}; */ COMMENT ON TABLE notes IS 'x'")),
    form("in a name", revisions=running('CREATE INDEX "; UPDATE notes" ON notes (id); DROP INDEX "; UPDATE notes"')),
    form("in a column's name", revisions=running("COMMENT ON COLUMN notes.text IS 'the update'")),
    form(
        "in a function that is only made",
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x'); CREATE INDEX notes_text ON notes (text)"),
            sql(f"CREATE FUNCTION f() RETURNS void BEGIN ATOMIC {UPDATE}; END"),
        ),
        revisions=running(f"CREATE FUNCTION f() RETURNS void BEGIN ATOMIC {UPDATE}; END"),
    ),
    form(
        "in a function in dollars",
        steps=(
            upgrade("r1"),
            sql("INSERT INTO notes (text) VALUES ('x'); CREATE INDEX notes_text ON notes (text)"),
            sql(f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ SELECT $$;$$; {UPDATE} $f$"),
        ),
        revisions=running(f"CREATE FUNCTION f() RETURNS void LANGUAGE sql AS $f$ SELECT $$;$$; {UPDATE} $f$"),
    ),
)

CASES = (*HIDDEN, *SHOWN)
