"""The ways in which a database in the field may differ from what the chain makes, as data.

`repaired`: healed by reconcile, without a loss. `kept`: healed, with something in place that isn't ours, or is more
than ours: what `stays` begins with.
`refused`: nothing changes; the SQL that the report gives, run as it stands, leads to a heal. `by hand`: refused,
and `by_hand` is what a person has to do, because only a person can decide about the rows.
"""

from dataclasses import dataclass, field
from typing import Literal

from .ours import OF_001, OF_002, UNKNOWN

End = Literal["repaired", "kept", "refused", "by hand"]


@dataclass(frozen=True, kw_only=True)
class Drift:
    """One way: how a whole database is `broken`, what the report must have `seen`, and how it must `end`."""

    name: str
    broken: str
    seen: str
    end: End
    verdict: str = "drifted"
    by_hand: str = ""
    claim: tuple[str, ...] | None = ("002",)
    parts: frozenset[str] = OF_002
    rows: bool = True
    stays: tuple[str, ...] = field(default=())


def _alter(action: str) -> str:
    return f"ALTER TABLE audio_files {action}"


TYPES = (
    Drift(
        name="tag is text",
        broken=_alter("ALTER tag TYPE text"),
        seen="column audio_files.tag is text, not character varying(100)",
        verdict="current",
        end="kept",
        stays=("column audio_files.tag ",),
    ),
    Drift(
        name="tag is varchar(50)",
        broken=_alter("ALTER tag TYPE varchar(50) USING left(tag, 50)"),
        seen="column audio_files.tag is character varying(50), not character varying(100)",
        end="repaired",
    ),
    Drift(
        name="tag is varchar(200)",
        broken=_alter("ALTER tag TYPE varchar(200)"),
        seen="column audio_files.tag is character varying(200), not character varying(100)",
        verdict="current",
        end="kept",
        stays=("column audio_files.tag ",),
    ),
    Drift(
        name="tag is varchar without a length",
        broken=_alter("ALTER tag TYPE varchar"),
        seen="column audio_files.tag is character varying, not character varying(100)",
        verdict="current",
        end="kept",
        stays=("column audio_files.tag ",),
    ),
    Drift(
        name="tag is text and holds more than will fit",
        broken=_alter("ALTER tag TYPE text") + "; UPDATE audio_files SET tag = repeat('x', 150) WHERE tag = 'Work'",
        seen="column audio_files.tag is text, not character varying(100)",
        verdict="current",
        end="kept",
        stays=("column audio_files.tag ",),
    ),
    Drift(
        name="file size is an integer",
        broken=_alter("ALTER file_size_bytes TYPE integer USING 7"),
        seen="column audio_files.file_size_bytes is integer, not bigint",
        end="repaired",
    ),
    Drift(
        name="file size is numeric",
        broken=_alter("ALTER file_size_bytes TYPE numeric"),
        seen="column audio_files.file_size_bytes is numeric, not bigint",
        end="refused",
    ),
    Drift(
        name="a timestamp with a time zone",
        broken="SET TIME ZONE 'Asia/Tokyo'; "
        + _alter("ALTER created_at TYPE timestamptz USING created_at AT TIME ZONE 'UTC'"),
        seen="column audio_files.created_at is timestamp with time zone, not timestamp without time zone",
        end="refused",
    ),
    Drift(
        name="ids are text",
        broken=_alter("ALTER id TYPE text"),
        seen="column audio_files.id is text not null, not uuid not null",
        end="refused",
    ),
    Drift(
        name="the state is text and the type is there",
        broken=_alter("ALTER processing_status TYPE varchar(20)"),
        seen="column audio_files.processing_status is character varying(20) not null, not processingstatus not null",
        end="refused",
    ),
    Drift(
        name="the state is text and there is no type",
        broken=_alter("ALTER processing_status TYPE varchar(20)") + "; DROP TYPE processingstatus",
        seen="column audio_files.processing_status is character varying(20) not null, not processingstatus not null",
        end="refused",
    ),
    Drift(
        name="another collation",
        broken=_alter('ALTER tag TYPE varchar(100) COLLATE "C"'),
        seen='column audio_files.tag is character varying(100) collate "C", not character varying(100)',
        verdict="current",
        end="kept",
        stays=("column audio_files.tag ",),
    ),
    Drift(
        name="file size is generated",
        broken=_alter("DROP file_size_bytes, ADD file_size_bytes bigint GENERATED ALWAYS AS (length(filename)) STORED"),
        seen="column audio_files.file_size_bytes is bigint generated always as (",
        end="refused",
    ),
)


def _labels(*labels: str, using: str = "processing_status::text::processingstatus") -> str:
    listed = ", ".join(f"'{label}'" for label in labels)
    return (
        "ALTER TYPE processingstatus RENAME TO was; "
        f"CREATE TYPE processingstatus AS ENUM ({listed}); "
        f"ALTER TABLE audio_files ALTER processing_status TYPE processingstatus USING {using}; DROP TYPE was"
    )


LABELS = (
    Drift(
        name="the last label is missing",
        broken="UPDATE audio_files SET processing_status = 'uploaded'; "
        + _labels("uploaded", "transcribing", "improving", "completed"),
        seen="type processingstatus is enum ('uploaded', 'transcribing', 'improving', 'completed'), not enum (",
        end="repaired",
    ),
    Drift(
        name="labels in the middle are missing",
        broken=_labels("uploaded", "completed", "failed"),
        seen="type processingstatus is enum ('uploaded', 'completed', 'failed'), not enum (",
        end="repaired",
    ),
    Drift(
        name="the first labels are missing",
        broken="UPDATE audio_files SET processing_status = 'failed'; " + _labels("improving", "completed", "failed"),
        seen="type processingstatus is enum ('improving', 'completed', 'failed'), not enum (",
        end="repaired",
    ),
    Drift(
        name="an extra label",
        broken="ALTER TYPE processingstatus ADD VALUE 'archived'",
        seen="'failed', 'archived'), not enum (",
        verdict="current",
        end="kept",
        stays=("type processingstatus ",),
    ),
    Drift(
        name="an extra label that rows have",
        broken="ALTER TYPE processingstatus ADD VALUE 'archived'; COMMIT; "
        "UPDATE audio_files SET processing_status = 'archived' WHERE filename = 'old2.mp3'",
        seen="column audio_files.processing_status is 'archived' in some rows, not",
        end="by hand",
        by_hand="UPDATE audio_files SET processing_status = 'failed' WHERE processing_status = 'archived'",
        stays=("type processingstatus ",),
    ),
    Drift(
        name="labels in another order",
        broken=_labels("failed", "completed", "improving", "transcribing", "uploaded"),
        seen="type processingstatus is enum ('failed', 'completed',",
        end="refused",
        stays=("type processingstatus_old ",),
    ),
    Drift(
        name="labels in upper case",
        broken=_labels(
            "UPLOADED",
            "TRANSCRIBING",
            "IMPROVING",
            "COMPLETED",
            "FAILED",
            using="upper(processing_status::text)::processingstatus",
        ),
        seen="the labels of type processingstatus differ in case alone: 'UPLOADED' becomes 'uploaded'",
        verdict="incomplete",
        end="repaired",
    ),
    Drift(
        name="a label of another name",
        broken="ALTER TYPE processingstatus RENAME VALUE 'completed' TO 'done'",
        seen="'done', 'failed'), not enum (",
        end="refused",
    ),
    Drift(
        name="a composite type of our name",
        broken="CREATE TYPE processingstatus AS (state text)",
        parts=frozenset(),
        claim=None,
        seen="type processingstatus is (state text), not enum",
        end="refused",
        stays=("type processingstatus_old ", "relation processingstatus_old "),
    ),
    Drift(
        name="a domain of our type's name",
        broken="CREATE DOMAIN processingstatus AS text",
        parts=frozenset(),
        claim=None,
        seen="processingstatus",
        verdict="",
        end="by hand",
        by_hand="ALTER DOMAIN processingstatus RENAME TO somebodys",
        stays=("type somebodys ",),
    ),
)

NULLS = (
    Drift(
        name="a column that must be filled by no upload",
        broken=_alter("ALTER duration_seconds SET NOT NULL") + "",
        rows=False,
        seen="column audio_files.duration_seconds is double precision not null, not double precision",
        end="repaired",
    ),
    Drift(
        name="a column that may be empty, and isn't",
        broken=_alter("ALTER filename DROP NOT NULL"),
        seen="column audio_files.filename is character varying(255), not character varying(255) not null",
        verdict="current",
        end="kept",
        stays=("column audio_files.filename ",),
    ),
    Drift(
        name="a column that may be empty, and is",
        broken=_alter("ALTER filename DROP NOT NULL") + "; UPDATE audio_files SET filename = NULL",
        seen="column audio_files.filename is NULL in some rows, not",
        end="by hand",
        by_hand="UPDATE audio_files SET filename = 'unknown' WHERE filename IS NULL",
        stays=("column audio_files.filename ",),
    ),
    Drift(
        name="a default",
        broken=_alter("ALTER processing_status SET DEFAULT 'uploaded', ALTER created_at SET DEFAULT now()"),
        seen="default 'uploaded'::processingstatus",
        verdict="current",
        end="kept",
        stays=("column audio_files.processing_status ", "column audio_files.created_at "),
    ),
    Drift(
        name="two things at once in one column",
        broken=_alter("ALTER tag SET DEFAULT 'none', ALTER tag TYPE varchar(99) USING left(tag, 99)"),
        seen="column audio_files.tag is character varying(99) default ",
        end="repaired",
        stays=("column audio_files.tag character varying(100)",),
    ),
)

STRANGE_COLUMNS = (
    Drift(
        name="an extra column that must be filled",
        broken=_alter("ADD project varchar(10) NOT NULL DEFAULT 'x'") + "; " + _alter("ALTER project DROP DEFAULT"),
        seen="column audio_files.project is not ours: character varying(10) not null",
        end="refused",
        stays=("column audio_files.project ",),
    ),
    Drift(
        name="an extra column of a domain that must be filled",
        broken="CREATE DOMAIN project AS text NOT NULL DEFAULT 'x'; "
        + _alter("ADD project project")
        + "; ALTER DOMAIN project DROP DEFAULT",
        rows=False,
        seen="column audio_files.project",
        end="by hand",
        by_hand="ALTER DOMAIN project DROP NOT NULL",
        stays=("column audio_files.project ", "type project "),
    ),
    Drift(
        name="an extra column with a default",
        broken=_alter("ADD project varchar(10) NOT NULL DEFAULT 'x'"),
        verdict="current",
        seen="",
        end="kept",
        stays=("column audio_files.project ",),
    ),
    Drift(
        name="an extra column that may be empty",
        broken=_alter("ADD project varchar(10)") + "; UPDATE audio_files SET project = 'p'",
        verdict="current",
        seen="",
        end="kept",
        stays=("column audio_files.project ",),
    ),
    Drift(
        name="an extra column numbered by itself",
        broken=_alter("ADD number serial, ADD other int GENERATED ALWAYS AS IDENTITY"),
        verdict="current",
        seen="",
        end="kept",
        stays=("column audio_files.number ", "column audio_files.other ", "relation audio_files_"),
    ),
    Drift(
        name="a renamed column of 001",
        broken=_alter("RENAME filename TO file_name"),
        seen="column audio_files.filename is missing",
        end="refused",
    ),
    Drift(
        name="a renamed tag",
        broken=_alter("RENAME tag TO label"),
        seen="column audio_files.tag is missing",
        end="refused",
    ),
    Drift(
        name="both columns of 002 renamed",
        broken=_alter("RENAME tag TO label") + "; " + _alter("RENAME category TO kind"),
        seen="column audio_files.tag is missing",
        end="by hand",
        by_hand=_alter("RENAME label TO tag") + "; " + _alter("RENAME kind TO category"),
    ),
    Drift(
        name="a renamed tag, with nothing on record",
        broken=_alter("RENAME tag TO label"),
        claim=None,
        seen="column audio_files.tag is missing",
        end="refused",
    ),
    Drift(
        name="a column of 001 that was dropped and had to be filled",
        broken=_alter("DROP filename"),
        verdict="incomplete",
        seen="column audio_files.filename is missing",
        end="by hand",
        by_hand=_alter("ADD filename varchar(255) NOT NULL DEFAULT 'unknown'"),
        stays=("column audio_files.filename character varying(255)",),
    ),
)

INDEXES = (
    Drift(
        name="an index on the wrong column",
        broken="DROP INDEX ix_audio_files_tag; CREATE INDEX ix_audio_files_tag ON audio_files (category)",
        seen="index ix_audio_files_tag on audio_files is USING btree (category), not USING",
        end="repaired",
    ),
    Drift(
        name="a partial index",
        broken="DROP INDEX ix_audio_files_tag; CREATE INDEX ix_audio_files_tag ON audio_files (tag) WHERE tag <> ''",
        seen="index ix_audio_files_tag on audio_files is USING btree (tag) WHERE",
        end="repaired",
    ),
    Drift(
        name="a unique index by our name",
        broken="DROP INDEX ix_audio_files_user_id; CREATE UNIQUE INDEX ix_audio_files_user_id ON audio_files (user_id)",
        seen="index ix_audio_files_user_id on audio_files is UNIQUE USING",
        end="refused",
    ),
    Drift(
        name="an INVALID index",
        broken="UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audio_files_tag'::regclass",
        verdict="incomplete",
        seen="index ix_audio_files_tag on audio_files is USING btree (tag) invalid",
        end="repaired",
    ),
    Drift(
        name="an INVALID index on the wrong column",
        broken="DROP INDEX ix_audio_files_tag; CREATE INDEX ix_audio_files_tag ON audio_files (category); "
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_audio_files_tag'::regclass",
        seen="index ix_audio_files_tag on audio_files is USING btree (category) invalid",
        end="repaired",
    ),
    Drift(
        name="an extra unique index",
        broken="CREATE UNIQUE INDEX one_each ON audio_files (lower(filename), id)",
        seen="index one_each on audio_files is not ours",
        end="by hand",
        by_hand="DROP INDEX one_each",
    ),
    Drift(
        name="an extra index",
        broken="CREATE INDEX pair ON audio_files (tag, category)",
        verdict="current",
        seen="",
        end="kept",
        stays=("relation pair ", "index CREATE INDEX pair "),
    ),
    Drift(
        name="somebody else's index by our name",
        broken="DROP INDEX ix_audio_files_tag; CREATE TABLE theirs (tag text); "
        "CREATE INDEX ix_audio_files_tag ON theirs (tag)",
        seen="ix_audio_files_tag",
        end="refused",
        stays=(
            "relation theirs",
            "column theirs.",
            "type theirs",
            "relation ix_audio_files_tag_old",
            "index CREATE INDEX ix_audio_files_tag_old ON public.theirs",
        ),
    ),
    Drift(
        name="somebody else's table by our index's name",
        broken="DROP INDEX ix_audio_files_tag; CREATE TABLE ix_audio_files_tag (x int)",
        verdict="incomplete",
        seen="ix_audio_files_tag",
        end="by hand",
        by_hand="ALTER TABLE ix_audio_files_tag RENAME TO theirs",
        stays=("relation theirs", "column theirs.", "type theirs"),
    ),
)

CONSTRAINTS = (
    Drift(
        name="an extra CHECK",
        broken=_alter("ADD CONSTRAINT small CHECK (file_size_bytes < 0) NOT VALID"),
        seen="check small on audio_files is not ours",
        end="by hand",
        by_hand=_alter("DROP CONSTRAINT small"),
    ),
    Drift(
        name="an extra UNIQUE",
        broken=_alter('ADD CONSTRAINT "One Name" UNIQUE (filename, id)'),
        verdict="current",
        seen="",
        end="kept",
        stays=("constraint audio_files One Name", "relation One Name", 'index CREATE UNIQUE INDEX "One Name"'),
    ),
    Drift(
        name="an extra UNIQUE that recordings can fall foul of",
        broken="UPDATE audio_files SET tag = id::text; " + _alter("ADD CONSTRAINT once UNIQUE (tag)"),
        seen="unique once on audio_files is not ours",
        end="by hand",
        by_hand=_alter("DROP CONSTRAINT once"),
    ),
    Drift(
        name="an extra foreign key",
        broken="CREATE TABLE people (id varchar(255) PRIMARY KEY); INSERT INTO people VALUES ('ann'); "
        + _alter("ADD CONSTRAINT known FOREIGN KEY (user_id) REFERENCES people"),
        seen="foreign_key known on audio_files is not ours",
        end="by hand",
        by_hand=_alter("DROP CONSTRAINT known"),
        stays=(
            "relation people",
            "column people.",
            "index CREATE UNIQUE INDEX people",
            "constraint people",
            "type people",
        ),
    ),
    Drift(
        name="an exclusion constraint",
        broken=_alter("ADD CONSTRAINT apart EXCLUDE (id WITH =)"),
        seen="exclude apart on audio_files is not ours",
        end="by hand",
        by_hand=_alter("DROP CONSTRAINT apart"),
    ),
    Drift(
        name="a trigger",
        broken="CREATE FUNCTION never() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''never''; END'; "
        'CREATE TRIGGER "Never" BEFORE INSERT ON audio_files EXECUTE FUNCTION never()',
        seen='trigger "Never" on audio_files is not ours',
        end="by hand",
        by_hand='ALTER TABLE audio_files DISABLE TRIGGER "Never"',
        stays=("function ", 'trigger CREATE TRIGGER "Never"'),
    ),
    Drift(
        name="a rule",
        broken="CREATE RULE never AS ON INSERT TO audio_files DO INSTEAD NOTHING",
        seen="rule never on audio_files is not ours",
        end="by hand",
        by_hand="DROP RULE never ON audio_files",
    ),
    Drift(
        name="row security",
        broken=_alter("ENABLE ROW LEVEL SECURITY") + "; " + _alter("FORCE ROW LEVEL SECURITY"),
        verdict="current",
        seen="",
        end="kept",
        stays=("security audio_files",),
    ),
    Drift(
        name="a primary key of more columns",
        broken=_alter("DROP CONSTRAINT audio_files_pkey, ADD PRIMARY KEY (id, filename)"),
        seen="primary_key audio_files_pkey on audio_files is PRIMARY KEY (id, filename), not PRIMARY KEY (id)",
        end="refused",
    ),
    Drift(
        name="no primary key",
        broken=_alter("DROP CONSTRAINT audio_files_pkey"),
        verdict="incomplete",
        seen="primary_key audio_files_pkey on audio_files is missing",
        end="repaired",
    ),
    Drift(
        name="a unique constraint that waits until COMMIT",
        broken=_alter(
            "DROP CONSTRAINT audio_files_file_path_key, ADD UNIQUE (file_path) DEFERRABLE INITIALLY DEFERRED"
        ),
        seen="audio_files_file_path_key on audio_files is UNIQUE (file_path) DEFERRABLE INITIALLY DEFERRED, not UNIQUE",
        end="refused",
    ),
    Drift(
        name="paths that repeat, without the unique constraint",
        broken=_alter("DROP CONSTRAINT audio_files_file_path_key")
        + "; INSERT INTO audio_files (id, filename, file_path, processing_status)"
        " SELECT gen_random_uuid(), filename, file_path, processing_status FROM audio_files",
        verdict="incomplete",
        seen="unique audio_files_file_path_key on audio_files is missing",
        end="by hand",
        by_hand="DELETE FROM audio_files WHERE ctid NOT IN (SELECT min(ctid) FROM audio_files GROUP BY file_path)",
    ),
)

OTHERS = (
    Drift(
        name="other people's tables, types and views",
        broken="CREATE TABLE invoices (id serial PRIMARY KEY, status text NOT NULL CHECK (status <> '')); "
        "CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE VIEW loud AS SELECT tag FROM audio_files; "
        "CREATE TABLE notes (audio uuid REFERENCES audio_files)",
        claim=("001",),
        verdict="adopted",
        seen="",
        end="kept",
        stays=(
            "relation invoices",
            "column invoices",
            "index CREATE UNIQUE INDEX invoices",
            "constraint invoices",
            "type invoices",
            "type mood",
            "relation loud",
            "column loud",
            "type loud",
            "rule ",
            "relation notes",
            "column notes",
            "constraint notes",
            "type notes",
        ),
    ),
    Drift(
        name="somebody's view of a column that would have to change",
        broken=_alter("ALTER tag TYPE varchar(50) USING left(tag, 50)")
        + "; CREATE VIEW loud AS SELECT tag FROM audio_files",
        seen="column audio_files.tag is character varying(50), not character varying(100)",
        end="by hand",
        by_hand="DROP VIEW loud",
    ),
    Drift(
        name="a table of our name and wholly another shape",
        broken="CREATE TABLE audio_files (number serial PRIMARY KEY, title text); "
        "INSERT INTO audio_files DEFAULT VALUES",
        parts=frozenset(),
        claim=None,
        rows=False,
        verdict="",
        seen="audio_files",
        end="by hand",
        by_hand="ALTER TABLE audio_files RENAME TO theirs; ALTER INDEX audio_files_pkey RENAME TO theirs_pkey",
        stays=("relation ", "column theirs", "index ", "constraint theirs", "type theirs"),
    ),
    Drift(
        name="an empty table of our name and wholly another shape",
        broken="CREATE TABLE audio_files (title text)",
        parts=frozenset(),
        claim=None,
        rows=False,
        verdict="",
        seen="audio_files",
        end="by hand",
        by_hand="ALTER TABLE audio_files RENAME TO theirs",
        stays=("relation theirs", "column theirs", "type theirs"),
    ),
    Drift(
        name="a view of our name",
        broken="CREATE TABLE recordings (filename text); CREATE VIEW audio_files AS SELECT * FROM recordings",
        parts=frozenset(),
        claim=None,
        rows=False,
        verdict="",
        seen="audio_files",
        end="by hand",
        by_hand="ALTER VIEW audio_files RENAME TO theirs",
        stays=("relation ", "column theirs", "column recordings", "type theirs", "type recordings", "rule "),
    ),
    Drift(
        name="an unlogged table",
        broken=_alter("SET UNLOGGED"),
        seen="table audio_files is ordinary unlogged, not ordinary",
        end="refused",
    ),
)

VERSION_TABLES = (
    Drift(
        name="one row twice",
        broken="ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc; "
        "INSERT INTO alembic_version VALUES ('002')",
        verdict="adopted",
        seen="",
        end="kept",
    ),
    Drift(
        name="an empty version",
        broken="ALTER TABLE alembic_version DROP CONSTRAINT alembic_version_pkc, ALTER version_num DROP NOT NULL; "
        "UPDATE alembic_version SET version_num = NULL",
        verdict="ahead",
        seen="NULL",
        end="by hand",
        by_hand="DROP TABLE alembic_version",
    ),
    Drift(
        name="a version that is a number",
        broken="DROP TABLE alembic_version; CREATE TABLE alembic_version (version_num int); "
        "INSERT INTO alembic_version VALUES (2)",
        verdict="ahead",
        seen="2",
        claim=("001",),
        end="by hand",
        by_hand="DROP TABLE alembic_version",
    ),
    Drift(
        name="an extra column in the version table",
        broken="ALTER TABLE alembic_version ADD at timestamp DEFAULT now()",
        claim=("001",),
        verdict="adopted",
        seen="",
        end="kept",
        stays=("column alembic_version.at ",),
    ),
    Drift(
        name="an extra column in the version table that must be filled",
        broken="ALTER TABLE alembic_version ADD who text NOT NULL DEFAULT 'me'; "
        "ALTER TABLE alembic_version ALTER who DROP DEFAULT",
        claim=("001",),
        verdict="adopted",
        seen="who",
        end="by hand",
        by_hand="ALTER TABLE alembic_version ALTER who DROP NOT NULL",
        stays=("column alembic_version.who ",),
    ),
)
DRIFTS = (
    *TYPES,
    *LABELS,
    *NULLS,
    *STRANGE_COLUMNS,
    *INDEXES,
    *CONSTRAINTS,
    *OTHERS,
    *VERSION_TABLES,
)
__all__ = ["DRIFTS", "OF_001", "UNKNOWN", "Drift"]
