"""What plain Alembic runs can be recorded, and what it runs on is recorded with it."""

from .case import Case, admin, form, forms, sql, upgrade
from .envs import preparing

PAGES = 'op.create_table("pages", sa.Column("id", sa.Integer, primary_key=True), sa.Column("text", sa.Text))'
WARNED = "import warnings\n\nwarnings.warn({!r}, {})\n"

WARNINGS = forms(
    Case(
        id="warning-at-import",
        why="A warning in a revision's file is its project's business: the chain can be read all the same.",
        revisions=(PAGES,),
        right=("healed",),
    ),
    form("deprecated", head=WARNED.format("this is old", "DeprecationWarning")),
    form("backslash in a docstring", head='"""Splits at \\d and \\w."""\n'),
    form("is, with a number", head="is_it = 1000 is 10\n"),
    form("of the user", head=WARNED.format("look at this", "UserWarning")),
    form("of SQLAlchemy", head="from sqlalchemy.exc import SAWarning\n" + WARNED.format("soon gone", "SAWarning")),
    form("while it runs", revisions=("import warnings\nwarnings.warn('slow', ResourceWarning)\n" + PAGES,)),
    form("at the head", upgrade("r1"), head=WARNED.format("this is old", "FutureWarning"), right=("current",)),
)

LEVEL = 'sa.Enum("low", "high", name="level")'


def with_level(*tables: str, level: str = LEVEL, before: str = "") -> tuple[str, ...]:
    """A chain that makes a table in each revision, all with a column of one type."""
    return tuple(
        f'{before}\nop.create_table("{table}", sa.Column("id", sa.Integer), sa.Column("level", {level}))'
        for table in tables
    )


TYPES = forms(
    Case(
        id="type-made-once",
        why="Alembic runs the chain in one context, in which SQLAlchemy knows which types it has made.",
        revisions=with_level("alarms", "notices"),
        right=("healed",),
    ),
    form("in two revisions"),
    form("in three", revisions=with_level("alarms", "notices", "hints")),
    form(
        "by PostgreSQL's own kind of it",
        revisions=with_level(
            "alarms",
            "notices",
            level='postgresql.ENUM("low", "high", name="level")',
            before="from sqlalchemy.dialects import postgresql",
        ),
    ),
    form(
        "one after the table of the first is gone",
        revisions=(*with_level("alarms"), 'op.drop_table("alarms")', *with_level("notices")),
    ),
    form(
        "made by hand before",
        revisions=with_level(
            "alarms",
            "notices",
            level='postgresql.ENUM("low", "high", name="level", create_type=False)',
            before=f"from sqlalchemy.dialects import postgresql\n{LEVEL}.create(op.get_bind(), checkfirst=True)",
        ),
    ),
    form("then half of it at hand", upgrade("r1"), right=("healed", "refused")),
    form(
        "a domain",
        revisions=with_level(
            "alarms",
            "notices",
            level='postgresql.DOMAIN("level", sa.Integer, check="VALUE > 0")',
            before="from sqlalchemy.dialects import postgresql",
        ),
    ),
)

GOODS = "CREATE TABLE goods (id integer NOT NULL, price integer);\n"
SHOPS = "CREATE TABLE shops (id integer, name text);\n"
WEIGHT = 'op.add_column("goods", sa.Column("weight", sa.Integer))'
BASES = forms(
    Case(
        id="base-never-touched",
        why="What was there before the first revision must be there, whether or not a revision touches it.",
        base=GOODS + SHOPS,
        revisions=(WEIGHT,),
        steps=(upgrade("r1"),),
        right=("refused",),
    ),
    form("table and column gone", sql("DROP TABLE shops; ALTER TABLE goods DROP COLUMN price"), says=("shops",)),
    form("table gone", sql("DROP TABLE shops"), says=("shops",)),
    form("column of another type", sql("ALTER TABLE shops ALTER name TYPE bytea USING ''"), says=("name",)),
    form(
        "view gone",
        sql("DROP VIEW cheap"),
        base=GOODS + "CREATE VIEW cheap AS SELECT id FROM goods WHERE price < 10;",
        right=("refused", "healed"),
        says=("cheap",),
    ),
    form(
        "function gone",
        sql("DROP FUNCTION twice"),
        base=GOODS + "CREATE FUNCTION twice(n int) RETURNS int LANGUAGE sql AS $$ SELECT 2 * n; $$;",
        right=("refused", "healed"),
        says=("twice",),
    ),
    form(
        "type gone",
        sql("DROP TYPE colour"),
        base=GOODS + "CREATE TYPE colour AS ENUM ('red');",
        right=("refused", "healed"),
        says=("colour",),
    ),
    form(
        "index gone",
        sql("DROP INDEX goods_price"),
        base=GOODS + "CREATE INDEX goods_price ON goods (price);",
        right=("healed",),
        says=("goods_price",),
    ),
    form("all there", right=("current",)),
)

CLIENTS = "CREATE TABLE clients (id int PRIMARY KEY, email text, age int);\n"
FUNCTION = "CREATE FUNCTION same() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;"
ON_BASE = forms(
    Case(
        id="on-a-table-of-the-base",
        why="What a revision hangs on a table that none of them made is seen.",
        base=CLIENTS,
        revisions=('op.create_unique_constraint("clients_email", "clients", ["email"])',),
        steps=(upgrade("r1"),),
        right=("current",),
    ),
    form("unique"),
    form("unique, gone", sql("ALTER TABLE clients DROP CONSTRAINT clients_email"), right=("healed",)),
    form("check", revisions=('op.create_check_constraint("clients_age", "clients", "age > 0")',)),
    form(
        "foreign key",
        revisions=(
            'op.create_table("visits", sa.Column("client", sa.Integer, sa.ForeignKey("clients.id")))',
            'op.add_column("clients", sa.Column("of", sa.Integer, sa.ForeignKey("clients.id")))',
        ),
        steps=(upgrade("r2"),),
    ),
    form("index", revisions=('op.create_index("clients_email", "clients", ["email"])',)),
    form("default", revisions=('op.alter_column("clients", "age", server_default="18")',)),
    form(
        "default, gone",
        sql("ALTER TABLE clients ALTER age DROP DEFAULT"),
        right=("healed", "refused"),
        revisions=('op.alter_column("clients", "age", server_default="18")',),
    ),
    form("not null", revisions=('op.alter_column("clients", "email", nullable=False)',)),
    form("a policy", revisions=('op.execute("CREATE POLICY own ON clients USING (age > 0)")',)),
    form("a rule", revisions=('op.execute("CREATE RULE loud AS ON UPDATE TO clients DO ALSO NOTIFY clients")',)),
    form(
        "a trigger",
        base=CLIENTS + FUNCTION,
        revisions=('op.execute("CREATE TRIGGER t AFTER INSERT ON clients FOR EACH ROW EXECUTE FUNCTION same()")',),
    ),
    form(
        "a trigger, gone",
        sql("DROP TRIGGER t ON clients"),
        base=CLIENTS + FUNCTION,
        revisions=('op.execute("CREATE TRIGGER t AFTER INSERT ON clients FOR EACH ROW EXECUTE FUNCTION same()")',),
        right=("healed", "refused"),
    ),
    form("a view of it", revisions=('op.execute("CREATE VIEW adults AS SELECT id FROM clients WHERE age > 17")',)),
)

# As pg_dump writes it, with all that is no table, and lines that are for psql alone.
DUMP = r"""--
-- PostgreSQL database dump
--

\restrict s0meth1ngTh4tN0b0dyKn0ws

SET statement_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET row_security = off;

CREATE SCHEMA store;
ALTER SCHEMA store OWNER TO pegasus;

CREATE TYPE public.colour AS ENUM (
    'red',
    'green'
);
ALTER TYPE public.colour OWNER TO pegasus;

CREATE FUNCTION public.half(n integer) RETURNS integer
    LANGUAGE plpgsql
    AS $_$
BEGIN
    RETURN $1 / 2; -- $$ is no end
END;
$_$;

SET default_tablespace = '';
SET default_table_access_method = heap;

CREATE TABLE public.goods (
    id integer NOT NULL,
    price integer DEFAULT 10 NOT NULL,
    colour public.colour
);
ALTER TABLE public.goods OWNER TO pegasus;
COMMENT ON TABLE public.goods IS 'what''s sold; by the piece';

CREATE SEQUENCE public.goods_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER SEQUENCE public.goods_id_seq OWNED BY public.goods.id;

CREATE TABLE store.shelves (
    id bigint NOT NULL
);
ALTER TABLE store.shelves ALTER COLUMN id ADD GENERATED BY DEFAULT AS IDENTITY (
    SEQUENCE NAME store.shelves_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW public.cheap AS
 SELECT id
   FROM public.goods
  WHERE (price < 10);

ALTER TABLE ONLY public.goods ALTER COLUMN id SET DEFAULT nextval('public.goods_id_seq'::regclass);
ALTER TABLE ONLY public.goods
    ADD CONSTRAINT goods_pkey PRIMARY KEY (id);
CREATE INDEX goods_price ON public.goods USING btree (price);

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT ALL ON SCHEMA public TO PUBLIC;

\unrestrict s0meth1ngTh4tN0b0dyKn0ws

--
-- PostgreSQL database dump complete
--
"""
DUMPED = forms(
    Case(
        id="base-as-dumped",
        why="What pg_dump writes is taken for a base as it stands: the schema of a database that was there before.",
        base=DUMP,
        revisions=(WEIGHT,),
        steps=(upgrade("r1"),),
        right=("current",),
    ),
    form("at the head"),
    form("to be upgraded", steps=(), right=("healed",)),
    form("a table of it gone", sql("DROP TABLE store.shelves"), right=("refused",), says=("shelves",)),
    form("an index of it gone", sql("DROP INDEX goods_price"), right=("healed",), says=("goods_price",)),
)

MADE = sql("CREATE EXTENSION pg_trgm")
BOOKINGS = """
op.execute("CREATE EXTENSION btree_gist")
op.execute("CREATE TABLE bookings (room int, at tsrange, EXCLUDE USING gist (room WITH =, at WITH &&))")
"""
BILLING = """
op.execute("CREATE SCHEMA billing")
op.execute("CREATE TABLE billing.bills (id int PRIMARY KEY)")
"""
BEFOREHAND = forms(
    Case(
        id="extension-made-beforehand",
        why="An administrator makes the extension, and the database is still empty of ours.",
        revisions=(
            PAGES,
            """
op.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
op.execute("CREATE INDEX pages_text ON pages USING gin (text gin_trgm_ops)")
""",
        ),
        right=("healed",),
    ),
    form("fresh database", MADE),
    form("at the revision before", upgrade("r1"), MADE),
    form(
        "with a version table that is empty",
        MADE,
        sql("CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY)"),
    ),
    form(
        "and a schema",
        sql("CREATE SCHEMA book"),
        revisions=(
            PAGES,
            """
op.execute("CREATE SCHEMA IF NOT EXISTS book")
op.execute("CREATE TABLE book.pages (id int PRIMARY KEY)")
""",
        ),
    ),
    form(
        "in the last of three",
        sql("CREATE EXTENSION citext"),
        revisions=(PAGES, WEIGHT.replace("goods", "pages"), 'op.execute("CREATE EXTENSION IF NOT EXISTS citext")'),
    ),
    form("another one, that no revision knows", sql("CREATE EXTENSION pg_trgm; CREATE EXTENSION hstore"), holds="more"),
    form("by whom the project isn't", admin("CREATE EXTENSION pg_trgm"), role="owner"),
    form("whose statement doesn't ask for it", sql("CREATE EXTENSION btree_gist"), revisions=(BOOKINGS,)),
    form(
        "whose statement doesn't ask for it, in the second",
        upgrade("r1"),
        sql("CREATE EXTENSION btree_gist"),
        revisions=(PAGES, BOOKINGS),
    ),
    form("a schema alone", sql("CREATE SCHEMA billing"), revisions=(BILLING,)),
    form("a schema alone, in the second", upgrade("r1"), sql("CREATE SCHEMA billing"), revisions=(PAGES, BILLING)),
    form(
        "a schema alone, and then rows",
        upgrade("r1"),
        sql("INSERT INTO pages (text) VALUES ('x')"),
        sql("CREATE SCHEMA billing"),
        revisions=(
            PAGES,
            BILLING + 'op.execute("INSERT INTO billing.bills (id) SELECT id FROM pages")',
            'op.create_index("bills_id", "bills", ["id"], schema="billing")',
        ),
        after={"SELECT count(*) FROM billing.bills": "1"},
    ),
    form(
        "two schemas and an extension alone",
        sql("CREATE SCHEMA billing; CREATE SCHEMA audit; CREATE EXTENSION btree_gist"),
        revisions=('op.execute("CREATE SCHEMA audit")' + BILLING + BOOKINGS,),
    ),
    form(
        "a schema alone, its revision outside of a transaction",
        upgrade("r1"),
        sql("CREATE SCHEMA billing"),
        env="transaction_per_migration",
        revisions=(
            PAGES,
            BILLING + "with op.get_context().autocommit_block():\n"
            '    op.execute("CREATE INDEX CONCURRENTLY pages_text ON pages (text)")',
        ),
    ),
)

BY_ITSELF = ", isolation_level='AUTOCOMMIT', poolclass=pool.NullPool"
PREPARED = forms(
    Case(
        id="prepared-by-env",
        why="What env.py makes before Alembic begins is made by a heal, and by no look and no recording.",
        revisions=(PAGES,),
        right=("healed",),
    ),
    form("on its connection", env=preparing(on_it="connection.exec_driver_sql(MAKE); connection.commit()")),
    form("beforehand", env=preparing("with db.engine.begin() as first: first.exec_driver_sql(MAKE)")),
    form(
        "beforehand, and a table that it then reads",
        env=preparing(
            "with db.engine.connect() as first:\n"
            "    first.exec_driver_sql(MAKE); first.commit()\n"
            "    first.exec_driver_sql('CREATE TABLE IF NOT EXISTS app.starts (at timestamp)'); first.commit()\n"
            "    first.exec_driver_sql('SELECT at FROM app.starts')"
        ),
        holds="more",
    ),
    form(
        "beforehand, through a pool",
        env=preparing("with db.engine.begin() as first: first.exec_driver_sql(MAKE)", engine=""),
    ),
    form(
        "each statement by itself",
        env=preparing("with db.engine.connect() as first: first.exec_driver_sql(MAKE)", engine=BY_ITSELF),
    ),
    form(
        "each statement by itself, through a pool",
        env=preparing(on_it="connection.exec_driver_sql(MAKE)", engine=BY_ITSELF.replace("NullPool", "QueuePool")),
    ),
    form(
        "on a connection that it leaves open",
        env=preparing("first = db.engine.connect(); first.exec_driver_sql(MAKE); first.commit()"),
    ),
    form(
        "with the words", env=preparing(on_it="connection.exec_driver_sql(MAKE); connection.exec_driver_sql('COMMIT')")
    ),
    form(
        "by a session",
        env=preparing(
            "from sqlalchemy.orm import Session\n"
            "with Session(db.engine) as session, session.begin(): session.connection().exec_driver_sql(MAKE)",
            engine="",
        ),
    ),
)

CLOCK = "from datetime import datetime\n"
MARKS = """
op.create_table(
    "marks", sa.Column("id", sa.Integer, primary_key=True), sa.Column("at", sa.{type}, server_default={default})
)
"""
BY_CLOCK = MARKS.format(type="DateTime", default="sa.text(f\"'{datetime.now().isoformat()}'\")")
BY_NAME = """
op.execute(
    "DO $$ BEGIN EXECUTE format('CREATE TABLE marks (id int PRIMARY KEY, at text DEFAULT %L)', current_database());"
    " END $$"
)
"""
FILLED = BY_CLOCK + 'op.execute("INSERT INTO marks (id) VALUES (1)")\nop.create_index("marks_at", "marks", ["at"])'
VARYING = forms(
    Case(
        id="other-each-time",
        why="What a revision defines by the clock or the database's name is right as it is, and no tape's.",
        head=CLOCK,
        revisions=(PAGES, BY_CLOCK),
        right=("current",),
        holds="any",
    ),
    form("by the clock, at the head", upgrade("r2")),
    form("by the clock, behind", upgrade("r1"), right=("healed",)),
    form("by the name, at the head", upgrade("r2"), revisions=(PAGES, BY_NAME)),
    form(
        "by the name, not on record",
        upgrade("r2"),
        sql("DELETE FROM alembic_version"),
        revisions=(PAGES, BY_NAME),
        right=("healed",),
    ),
    form(
        "by numbers and random ones",
        upgrade("r2"),
        head="import time, uuid\n",
        revisions=(
            PAGES + '\nop.add_column("pages", sa.Column("of", sa.BigInteger, server_default=str(time.time_ns())))',
            """
op.create_check_constraint("pages_text", "pages", f"text <> '{uuid.uuid4()}'")
op.execute(f"CREATE VIEW titles AS SELECT id, '{uuid.uuid4()}' AS mark FROM pages")
""",
        ),
    ),
    form(
        "an index is left of the revision",
        upgrade("r1"),
        sql("CREATE TABLE marks (id serial PRIMARY KEY, at timestamp DEFAULT '2020-02-02 10:10:10.5')"),
        revisions=(PAGES, BY_CLOCK + 'op.create_index("marks_at", "marks", ["at"])'),
        right=("healed",),
        after={
            "SELECT pg_get_expr(adbin, adrelid) LIKE '%2020-02-02%' FROM pg_attrdef d JOIN pg_attribute a"
            " ON attrelid = adrelid AND attnum = adnum WHERE attname = 'at'": "t"
        },
    ),
    form(
        "it is left of the revision itself",
        upgrade("r1"),
        sql("CREATE INDEX pages_text ON pages (text)"),
        revisions=(PAGES, 'op.create_index("pages_text", "pages", ["text"])' + BY_CLOCK),
        right=("healed",),
    ),
    form(
        "it is done, and rows are left of the revision",
        upgrade("r1"),
        sql("CREATE TABLE marks (id serial PRIMARY KEY, at timestamp DEFAULT '2020-02-02 10:10:10.5')"),
        revisions=(PAGES, FILLED),
        right=("healed",),
        after={"SELECT at::text FROM marks": "2020-02-02 10:10:10.5"},
    ),
    form(
        "the default is lost",
        upgrade("r2"),
        sql("ALTER TABLE marks ALTER at DROP DEFAULT"),
        right=("refused",),
        says=("give column marks.at its definition by hand",),
    ),
    form(
        "the column has another type",
        upgrade("r2"),
        sql("ALTER TABLE marks ALTER at TYPE text USING ''"),
        right=("refused",),
        says=("marks.at",),
    ),
)

CASES = (*VARYING, *PREPARED, *WARNINGS, *TYPES, *BASES, *ON_BASE, *DUMPED, *BEFOREHAND)
