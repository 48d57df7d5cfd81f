"""Two definitions are the same when this server says so, however an older one or a person has spelled them."""

from .case import Case, admin, form, forms, sql, upgrade

BILLS = 'op.execute("CREATE TABLE bills (id int, state varchar(9), at timestamptz, due date, price numeric, n int)")'


def spelled(chain: str, database: str) -> dict[str, object]:
    """A chain that makes something, and a database in which it has been made in other words."""
    return {
        "revisions": (BILLS, f"op.get_bind().exec_driver_sql({chain!r})"),
        "steps": (upgrade("r1"), sql(database), sql("UPDATE alembic_version SET version_num = 'r2'")),
    }


CASES = forms(
    Case(
        id="other-words",
        why="A dump of an older major, or another hand, spells the same thing in other words.",
        revisions=(),
        right=("current",),
    ),
    form(
        "a view with a time zone",
        **spelled(
            "CREATE VIEW v AS SELECT at AT TIME ZONE 'UTC' AS at FROM bills",
            "CREATE VIEW v AS SELECT timezone('UTC'::text, bills.at) AS at FROM bills",
        ),
    ),
    form(
        "an index with a time zone",
        **spelled(
            "CREATE INDEX i ON bills ((at AT TIME ZONE 'UTC'))",
            "CREATE INDEX i ON bills USING btree (timezone('UTC'::text, at))",
        ),
    ),
    form(
        "a check with a time zone",
        **spelled(
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (at AT TIME ZONE 'UTC' > '2020-01-01')",
            "ALTER TABLE bills ADD CONSTRAINT c CHECK"
            " (timezone('UTC'::text, at) > '2020-01-01 00:00:00'::timestamp without time zone)",
        ),
    ),
    form(
        "a default with a time zone",
        **spelled(
            "ALTER TABLE bills ADD COLUMN made timestamp DEFAULT (now() AT TIME ZONE 'utc')",
            "ALTER TABLE bills ADD COLUMN made timestamp without time zone DEFAULT timezone('utc'::text, now())",
        ),
    ),
    form(
        "an index with a part of a date",
        **spelled(
            "CREATE INDEX i ON bills (extract(year FROM due))",
            "CREATE INDEX i ON bills USING btree (date_part('year'::text, due))",
        ),
        right=("current", "healed"),
        holds="any",
    ),
    form(
        "a view with a part of a date",
        **spelled(
            "CREATE VIEW v AS SELECT extract(year FROM due) AS year FROM bills",
            "CREATE VIEW v AS SELECT date_part('year'::text, bills.due) AS year FROM bills",
        ),
    ),
    form(
        "one of several",
        **spelled(
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (state IN ('open', 'paid'))",
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (((state)::text = ANY"
            " ((ARRAY['open'::character varying, 'paid'::character varying])::text[])))",
        ),
    ),
    form(
        "one of several, each with its type",
        **spelled(
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (state IN ('open', 'paid'))",
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (((state)::text = ANY"
            " (ARRAY[('open'::character varying)::text, ('paid'::character varying)::text])))",
        ),
    ),
    form(
        "an index of some rows, with its types",
        **spelled(
            "CREATE INDEX i ON bills (id) WHERE state = 'open'",
            "CREATE INDEX i ON bills USING btree (id) WHERE ((state)::text = 'open'::text)",
        ),
    ),
    form(
        "an index that says what is so anyway",
        **spelled(
            "CREATE INDEX i ON bills (id, state)",
            "CREATE INDEX i ON public.bills USING btree (id ASC NULLS LAST, state text_ops)",
        ),
    ),
    form(
        "a view that names its table everywhere",
        **spelled(
            "CREATE VIEW v AS SELECT id, n FROM bills WHERE n > 0 ORDER BY id",
            "CREATE VIEW v AS SELECT bills.id, bills.n FROM bills WHERE (bills.n > 0) ORDER BY bills.id",
        ),
    ),
    form(
        "a view of two tables",
        **spelled(
            "CREATE VIEW v AS SELECT a.id FROM bills a JOIN bills b USING (id)",
            "CREATE VIEW v AS SELECT a.id FROM (bills a JOIN bills b USING (id))",
        ),
    ),
    form(
        "a string that is cut, as a function",
        **spelled(
            "CREATE VIEW v AS SELECT substring(state FROM 1 FOR 2) AS s FROM bills",
            'CREATE VIEW v AS SELECT "substring"((bills.state)::text, 1, 2) AS s FROM bills',
        ),
    ),
    form(
        "a key as a unique one",
        **spelled(
            "ALTER TABLE bills ADD CONSTRAINT u UNIQUE (id)",
            "CREATE UNIQUE INDEX u ON bills (id); ALTER TABLE bills ADD CONSTRAINT u UNIQUE USING INDEX u",
        ),
    ),
    form(
        "another thing in the same words",
        **spelled(
            "CREATE INDEX i ON bills ((at AT TIME ZONE 'UTC'))",
            "CREATE INDEX i ON bills USING btree (timezone('CET'::text, at))",
        ),
        right=("healed",),
    ),
    form(
        "another check in the same words",
        **spelled(
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (at AT TIME ZONE 'UTC' > '2020-01-01')",
            "ALTER TABLE bills ADD CONSTRAINT c CHECK (timezone('CET'::text, at) > '2020-01-01'::timestamp)",
        ),
        right=("refused", "healed"),
        holds="any",
    ),
    form(
        "as this database writes dates, times and bytes",
        admin("ALTER DATABASE {database} SET DateStyle = 'German, DMY'"),
        admin("ALTER DATABASE {database} SET IntervalStyle = 'sql_standard'"),
        admin("ALTER DATABASE {database} SET TimeZone = 'Asia/Kolkata'"),
        admin("ALTER DATABASE {database} SET bytea_output = 'escape'"),
        admin("ALTER DATABASE {database} SET extra_float_digits = -5"),
        upgrade("r2"),
        revisions=(
            BILLS,
            """
op.execute(
    "ALTER TABLE bills ADD sent date DEFAULT '2020-01-02', ADD late interval DEFAULT '1 day 2 hours',"
    " ADD paid timestamptz DEFAULT '2020-01-02 03:04:05+00', ADD rate float8 DEFAULT 0.1,"
    " ADD mark bytea DEFAULT decode('00ff', 'hex'), ADD CHECK (late < '9 days 01:00'::interval)"
)
op.execute("CREATE INDEX bills_sent ON bills (sent) WHERE sent > '2020-03-04'")
""",
        ),
    ),
)
