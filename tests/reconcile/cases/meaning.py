"""What a difference means: others' things that reject nothing are kept and noted, never a reason to stop."""

from .case import Case, admin, form, forms, sql, upgrade

VISITS = """
op.execute("CREATE TABLE visits (id int, day date NOT NULL, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)")
op.execute("CREATE TABLE visits_old PARTITION OF visits FOR VALUES FROM ('2020-01-01') TO ('2025-01-01')")
"""
REMARKS = """
op.create_table(
    "remarks",
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("visit", sa.Integer),
    sa.Column("day", sa.Date),
    sa.ForeignKeyConstraint(["visit", "day"], ["visits.id", "visits.day"]),
)
"""
NEW = "CREATE TABLE visits_new PARTITION OF visits FOR VALUES FROM ('2025-01-01') TO ('2030-01-01')"
DROPPED = "ALTER TABLE visits DETACH PARTITION visits_old; DROP TABLE visits_old"
PARTITIONS = forms(
    Case(
        id="partitions-of-others",
        why="Operations add partitions, and PostgreSQL its own constraints for them: neither is drift.",
        revisions=(VISITS, REMARKS),
        steps=(upgrade("r2"),),
        right=("current",),
        never=("DROP CONSTRAINT", "DROP TABLE", "DETACH"),
    ),
    form("added", sql(NEW)),
    form("added, another dropped", sql(NEW), sql(DROPPED)),
    form("the only one dropped", sql(DROPPED)),
    form("detached", sql("ALTER TABLE visits DETACH PARTITION visits_old")),
    form("for all that is left", sql("CREATE TABLE visits_rest PARTITION OF visits DEFAULT")),
    form(
        "in another schema",
        sql("CREATE SCHEMA archive; " + NEW.replace("visits_new", "archive.visits_new")),
    ),
    form(
        "divided again",
        sql(NEW + " PARTITION BY HASH (id)"),
        sql("CREATE TABLE visits_new_0 PARTITION OF visits_new FOR VALUES WITH (MODULUS 1, REMAINDER 0)"),
    ),
    form(
        "with an index of its own",
        sql(NEW + "; CREATE INDEX ON visits_new (day)"),
    ),
    form(
        "with an index and a trigger that come from the table",
        sql(NEW),
        revisions=(
            VISITS,
            """
op.create_index("visits_day", "visits", ["day"])
op.execute("CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
op.execute("CREATE TRIGGER seen AFTER INSERT ON visits FOR EACH ROW EXECUTE FUNCTION seen()")
""",
        ),
    ),
    form("while there is more to upgrade", steps=(upgrade("r1"), sql(NEW)), right=("healed",), holds="more"),
    form(
        "dropped, while there is more to upgrade",
        steps=(upgrade("r1"), sql("DROP TABLE visits_old")),
        right=("healed",),
        holds="any",
        after={"SELECT count(*) FROM pg_inherits": "0"},
    ),
    form(
        "a table that inherits",
        sql("CREATE TABLE remarks_new () INHERITS (remarks)"),
    ),
)

PEOPLE = 'op.create_table("people", sa.Column("id", sa.Integer, primary_key=True), sa.Column("email", sa.String(80)))'
ENABLED = "ALTER TABLE people ENABLE ROW LEVEL SECURITY; "
FORCED = ENABLED + "ALTER TABLE people FORCE ROW LEVEL SECURITY; "
SECURITY = forms(
    Case(
        id="row-security",
        why="Row security that doesn't bind whoever connects rejects nothing; nobody is told to switch it off.",
        revisions=(PEOPLE,),
        steps=(upgrade("r1"),),
        right=("current",),
        never=("DISABLE ROW LEVEL SECURITY", "NO FORCE", "DROP POLICY"),
        role="owner",
    ),
    form("not forced", sql(ENABLED)),
    form("not forced, for the superuser", sql(ENABLED), role="superuser"),
    form("on the version table", sql("ALTER TABLE alembic_version ENABLE ROW LEVEL SECURITY")),
    form("with a policy for others", sql(ENABLED + "CREATE POLICY p ON people TO pg_monitor USING (false)")),
    form("with a policy, not enabled", sql("CREATE POLICY p ON people USING (false)")),
    form("forced, for the superuser", sql(FORCED), role="superuser"),
    form("forced, for one who may pass it", sql(FORCED), admin('ALTER ROLE "{role}" BYPASSRLS')),
    form(
        "forced, with a policy that lets us", sql(FORCED + "CREATE POLICY p ON people USING (true) WITH CHECK (true)")
    ),
    form(
        "forced, with one for each command",
        sql(FORCED + "CREATE POLICY i ON people FOR INSERT WITH CHECK (true)"),
        sql("CREATE POLICY s ON people FOR SELECT USING (true)"),
        sql("CREATE POLICY u ON people FOR UPDATE USING (true)"),
        sql("CREATE POLICY d ON people FOR DELETE USING (true)"),
    ),
    form("forced, with none", sql(FORCED), right=("refused",), says=("people",)),
    form(
        "forced, with one for reading alone",
        sql(FORCED + "CREATE POLICY p ON people FOR SELECT USING (true)"),
        right=("refused",),
        says=("people",),
    ),
    form(
        "forced on the version table, with none",
        sql(FORCED.replace("people", "alembic_version")),
        right=("refused",),
        says=("alembic_version",),
    ),
    form(
        "while there is more to upgrade",
        sql(ENABLED),
        revisions=(PEOPLE, 'op.add_column("people", sa.Column("name", sa.Text))'),
        right=("healed",),
        holds="more",
    ),
)

AUDIT = """
CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE {} ON people FOR EACH {} EXECUTE FUNCTION audit();
"""
TRIGGERS = forms(
    Case(
        id="triggers-of-others",
        why="Another system lives by its trigger; where it isn't known to reject it is only noted.",
        revisions=(PEOPLE,),
        steps=(upgrade("r1"),),
        right=("current",),
        never=("DROP TRIGGER", "DROP RULE", "DROP FUNCTION", "DISABLE TRIGGER"),
    ),
    form("after each row", sql(AUDIT.format("TRIGGER told AFTER INSERT OR UPDATE", "ROW"))),
    form("after each statement", sql(AUDIT.format("TRIGGER told AFTER DELETE", "STATEMENT"))),
    form("after TRUNCATE", sql(AUDIT.format("TRIGGER told AFTER TRUNCATE", "STATEMENT"))),
    form(
        "before each row, disabled",
        sql(AUDIT.format("TRIGGER told BEFORE INSERT", "ROW") + "ALTER TABLE people DISABLE TRIGGER told"),
    ),
    form(
        "before each row, for replicas alone",
        sql(AUDIT.format("TRIGGER told BEFORE INSERT", "ROW") + "ALTER TABLE people ENABLE REPLICA TRIGGER told"),
    ),
    form("before each row", sql(AUDIT.format("TRIGGER told BEFORE INSERT OR UPDATE", "ROW")), says=("told",)),
    form("a constraint trigger", sql(AUDIT.format("CONSTRAINT TRIGGER told AFTER INSERT", "ROW"))),
    form(
        "a constraint trigger that waits",
        sql(
            AUDIT.replace(" ON people", " ON people DEFERRABLE INITIALLY DEFERRED").format(
                "CONSTRAINT TRIGGER told AFTER UPDATE", "ROW"
            )
        ),
    ),
    form(
        "after each row, always",
        sql(AUDIT.format("TRIGGER told AFTER INSERT", "ROW") + "ALTER TABLE people ENABLE ALWAYS TRIGGER told"),
    ),
    form(
        "on the version table",
        sql(AUDIT.replace("people", "alembic_version").format("TRIGGER told AFTER UPDATE", "ROW")),
    ),
    form(
        "on DDL",
        sql("CREATE TABLE log (at timestamptz)"),
        sql(
            "CREATE FUNCTION audit() RETURNS event_trigger LANGUAGE plpgsql AS $$"
            " BEGIN INSERT INTO public.log VALUES (now()); END $$;"
            " CREATE EVENT TRIGGER told ON ddl_command_end EXECUTE FUNCTION audit()"
        ),
    ),
    form("a rule that does more", sql("CREATE RULE told AS ON INSERT TO people DO ALSO NOTIFY people")),
    form(
        "a rule that does nothing instead",
        sql("CREATE RULE told AS ON INSERT TO people DO INSTEAD NOTHING"),
        right=("refused",),
        says=("told",),
    ),
    form(
        "on a partition",
        sql(AUDIT.replace("people", "visits_old").format("TRIGGER told AFTER INSERT", "ROW")),
        revisions=(VISITS,),
    ),
    form(
        "while there is more to upgrade",
        sql(AUDIT.format("TRIGGER told AFTER INSERT", "ROW")),
        revisions=(PEOPLE, 'op.add_column("people", sa.Column("name", sa.Text))'),
        right=("healed",),
        holds="more",
    ),
)

OPTIONS = "SELECT reloptions::text FROM pg_class WHERE relname = '{}'"
STORAGE = forms(
    Case(
        id="settings-of-storage",
        why="How things are stored and remarked upon is the administrator's: not compared, and never lost.",
        revisions=(PEOPLE, 'op.create_index("people_email", "people", ["email"])'),
        steps=(upgrade("r2"),),
        right=("current",),
    ),
    form(
        "fillfactor of an index",
        sql("ALTER INDEX people_email SET (fillfactor = 61)"),
        after={OPTIONS.format("people_email"): "{fillfactor=61}"},
    ),
    form("fillfactor of a key", sql("ALTER INDEX people_pkey SET (fillfactor = 61)")),
    form("fillfactor of a table", sql("ALTER TABLE people SET (fillfactor = 61)")),
    form("autovacuum", sql("ALTER TABLE people SET (autovacuum_enabled = off, toast.autovacuum_enabled = off)")),
    form("an index without fast updates", sql("ALTER INDEX people_email SET (deduplicate_items = off)")),
    form(
        "comments",
        sql(
            "COMMENT ON TABLE people IS 'ours'; COMMENT ON COLUMN people.email IS 'by hand';"
            " COMMENT ON INDEX people_email IS 'slow'; COMMENT ON CONSTRAINT people_pkey ON people IS 'it''s'"
        ),
    ),
    form("statistics of a column", sql("ALTER TABLE people ALTER email SET STATISTICS 500")),
    form("statistics given by hand", sql("ALTER TABLE people ALTER email SET (n_distinct = 99)")),
    form("statistics over columns", sql("CREATE STATISTICS people_both ON id, email FROM people")),
    form("how a column is stored", sql("ALTER TABLE people ALTER email SET STORAGE EXTERNAL")),
    form("how a column is compressed", sql("ALTER TABLE people ALTER email SET COMPRESSION pglz")),
    form("what replicas are told", sql("ALTER TABLE people REPLICA IDENTITY FULL")),
    form("what replicas are told, by a key", sql("ALTER TABLE people REPLICA IDENTITY USING INDEX people_pkey")),
    form("what it was sorted by", sql("ALTER TABLE people CLUSTER ON people_email")),
    form(
        "tablespace",
        admin("ALTER DATABASE {database} SET allow_in_place_tablespaces = on"),
        admin("CREATE TABLESPACE {database} LOCATION ''"),
        admin("ALTER TABLE people SET TABLESPACE {database}; ALTER INDEX people_email SET TABLESPACE {database}"),
    ),
    form("what is published", sql("CREATE PUBLICATION everything FOR TABLE people")),
    form("who may", sql("GRANT SELECT ON people TO PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC")),
    form(
        "while there is more to upgrade",
        steps=(
            upgrade("r1"),
            sql("ALTER TABLE people SET (fillfactor = 61); COMMENT ON TABLE people IS 'ours'"),
        ),
        right=("healed",),
        holds="any",
        after={OPTIONS.format("people"): "{fillfactor=61}", "SELECT obj_description('people'::regclass)": "ours"},
    ),
    form(
        "of an index that is made anew",
        sql("DROP INDEX people_email; CREATE INDEX people_email ON people (id) WITH (fillfactor = 61)"),
        right=("healed",),
        holds="any",
        after={OPTIONS.format("people_email"): "{fillfactor=61}"},
    ),
)

PAIRS = """
op.create_table(
    "pairs",
    sa.Column("one", sa.Integer, nullable=False),
    sa.Column("two", sa.Integer, nullable=False),
    sa.Column("name", sa.Text),
    sa.PrimaryKeyConstraint("one", "two", name="pairs_key"),
    sa.UniqueConstraint("name", "two", name="pairs_name"),
)
op.create_index("pairs_two", "pairs", ["two"])
"""
HARMLESS = forms(
    Case(
        id="harmless",
        why="What rejects nothing that the chain's own objects take is left as it is, and said.",
        revisions=(PAIRS,),
        steps=(upgrade("r1"),),
        right=("current",),
        never=("DROP",),
    ),
    form("a column more", sql("ALTER TABLE pairs ADD COLUMN note text")),
    form("a column more, filled by itself", sql("ALTER TABLE pairs ADD COLUMN at timestamptz NOT NULL DEFAULT now()")),
    form("a column that counts", sql("ALTER TABLE pairs ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY")),
    form("an index more", sql("CREATE INDEX others ON pairs (name) WHERE two > 0")),
    form(
        "an index that a rebuild left",
        sql("CREATE INDEX pairs_two_ccnew ON pairs (two)"),
        admin("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pairs_two_ccnew'::regclass"),
        says=("pairs_two_ccnew",),
    ),
    form(
        "a table that points at ours",
        sql("CREATE TABLE others (one int, two int, FOREIGN KEY (one, two) REFERENCES pairs)"),
    ),
    form("a view of ours", sql("CREATE VIEW others AS SELECT one FROM pairs")),
    form("a function beside ours", sql("CREATE FUNCTION others() RETURNS int LANGUAGE sql RETURN 1")),
    form(
        "tables of other packages",
        sql("CREATE TABLE sessions (id int PRIMARY KEY); CREATE TYPE mood AS ENUM ('glad')"),
    ),
    form(
        "columns of a key in another order",
        sql("ALTER TABLE pairs DROP CONSTRAINT pairs_key"),
        sql("ALTER TABLE pairs ADD CONSTRAINT pairs_key PRIMARY KEY (two, one)"),
        holds="any",
    ),
    form(
        "columns of a unique constraint in another order",
        sql("ALTER TABLE pairs DROP CONSTRAINT pairs_name"),
        sql("ALTER TABLE pairs ADD CONSTRAINT pairs_name UNIQUE (two, name)"),
        holds="any",
    ),
    form(
        "a sequence of another name",
        sql("ALTER SEQUENCE people_id_seq RENAME TO people_id_seq1"),
        revisions=(PEOPLE,),
        holds="any",
    ),
    form(
        "a column that counts itself, in place of a sequence",
        sql("ALTER TABLE people ALTER id DROP DEFAULT; DROP SEQUENCE people_id_seq"),
        sql("ALTER TABLE people ALTER id ADD GENERATED BY DEFAULT AS IDENTITY"),
        revisions=(PEOPLE,),
        right=("current", "refused"),
        never=(),
        holds="any",
    ),
    form(
        "all at once",
        sql(AUDIT.replace("people", "pairs").format("TRIGGER told AFTER INSERT", "ROW")),
        sql("ALTER TABLE pairs ENABLE ROW LEVEL SECURITY; ALTER TABLE pairs ADD COLUMN note text"),
        sql("CREATE INDEX others ON pairs (name); ALTER INDEX pairs_two SET (fillfactor = 61)"),
        sql("COMMENT ON TABLE pairs IS 'x'; CREATE STATISTICS one_two ON one, two FROM pairs"),
        says=("told", "note", "others"),
    ),
)

EARLIER_ORDER = (
    Case(
        id="the order of a key's columns under an earlier name",
        why="The models make the key by its last name, with its columns as the first revision had them.",
        revisions=(
            PAIRS,
            'op.drop_constraint("pairs_key", "pairs"); op.create_primary_key("pairs_new", "pairs", ["two", "one"])',
        ),
        steps=(
            upgrade("r2"),
            sql("ALTER TABLE pairs DROP CONSTRAINT pairs_new"),
            sql("ALTER TABLE pairs ADD CONSTRAINT pairs_new PRIMARY KEY (one, two)"),
        ),
        right=("current",),
        holds="any",
        never=("is missing", "is not ours"),
    ),
)
REJECTING = forms(
    Case(
        id="surely-rejects",
        why="What the chain's own code can't know of rejects its writes: that, and that alone, keeps it from starting.",
        revisions=(PAIRS,),
        steps=(upgrade("r1"),),
        right=("refused",),
        holds="any",
    ),
    form("a column that must be given", sql("ALTER TABLE pairs ADD COLUMN note text NOT NULL"), says=("note",), ways=1),
    form("a check", sql("ALTER TABLE pairs ADD CONSTRAINT odd CHECK (one % 2 = 1)"), says=("odd",)),
    form("a unique index", sql("CREATE UNIQUE INDEX once ON pairs (two)"), says=("once",)),
    form(
        "a column too narrow",
        sql("ALTER TABLE pairs ALTER name TYPE varchar(3)"),
        says=("name",),
        right=("refused", "healed"),
    ),
    form(
        "a column that must be given, once null",
        sql("ALTER TABLE pairs ALTER name SET NOT NULL"),
        says=("name",),
        right=("refused", "healed"),
    ),
)

DEGRADED = forms(
    Case(
        id="index-lost",
        why="An index that is lost or other makes things slow, not wrong: it is made again where that loses nothing.",
        revisions=(PAIRS,),
        steps=(upgrade("r1"),),
        right=("healed",),
        says=("pairs_two",),
    ),
    form("gone", sql("DROP INDEX pairs_two")),
    form("of other columns", sql("DROP INDEX pairs_two; CREATE INDEX pairs_two ON pairs (one)")),
    form("of some rows", sql("DROP INDEX pairs_two; CREATE INDEX pairs_two ON pairs (two) WHERE two > 5")),
    form("invalid", admin("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'pairs_two'::regclass")),
    form(
        "gone, under a revision that drops a table alone",
        revisions=('op.create_table("old", sa.Column("id", sa.Integer))\n' + PAIRS, 'op.drop_table("old")'),
        steps=(upgrade("r2"), sql("DROP INDEX pairs_two")),
    ),
    form(
        "gone, under a revision that moves rows alone",
        revisions=(PAIRS, 'op.execute("UPDATE pairs SET one = one + 1")'),
        steps=(upgrade("r1"), sql("INSERT INTO pairs VALUES (1, 1)"), upgrade("r2"), sql("DROP INDEX pairs_two")),
        after={"SELECT one FROM pairs": "2"},
    ),
)

CASES = (*PARTITIONS, *SECURITY, *TRIGGERS, *STORAGE, *HARMLESS, *EARLIER_ORDER, *REJECTING, *DEGRADED)
