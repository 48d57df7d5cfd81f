"""The chains that the engine is tried on: their statements, written down by hand, and rows to try them with.

A statement is `+` (makes objects), `-` (changes or drops some), `.` (leaves no trace, and may run twice), `d` (moves
rows and leaves no trace), `o` and `O` (opaque, without and with a trace). With `|` it can't run in a transaction.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reconcile.tape.project import Project, open_project

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Chain:
    """A chain: its `statements` by revision, and `rows` that are inserted once a revision is applied.

    `again` are the revisions that say of themselves that they may run twice.
    """

    name: str
    statements: Mapping[str, str]
    rows: Mapping[str, str]
    again: frozenset[str] = frozenset()
    path: str = "public"
    base: bool = False
    sync: bool = False

    @property
    def ini(self) -> Path:
        """The project's alembic.ini."""
        return HERE / self.name / "alembic.ini"

    @property
    def base_file(self) -> Path | None:
        """What must be there before the first revision."""
        return HERE / self.name / "base.sql" if self.base else None

    @cached_property
    def project(self) -> Project:
        """The project with its tape."""
        return open_project(self.ini)

    def marks(self, revision: str) -> list[str]:
        """The statements of a revision, as they are written down here."""
        return self.statements[revision].split()


LIBRARY = Chain(
    name="library",
    statements={
        "l01": "+ . + + +",
        "l02": "+ d",
        "l03": "+ + + +",
        "l04": "-|",
        "l05": "+| +|",
        "l06": "- -",
        "l07": "+ d -",
        "l08": "+ + + + +",
        "l09": "+ . . . +",
        "l10": "d + +",
        "l11": "O O",
        "l12": "- - -",
        "l13": "- - - -",
        "l14": "+ d",
        "l15": "+ +",
    },
    rows={
        "l01": """
            INSERT INTO authors (name, born) VALUES ('Ann', 1950), ('Bob; DROP TABLE books', NULL);
            INSERT INTO books (id, author_id, title, genre, pages)
            VALUES (1, 1, 'One', 'novel', 600), (2, 2, 'It''s "two"', 'poem', 10), (3, 2, '', NULL, 99)
        """,
        "l02": "INSERT INTO shelves VALUES ('C', 3)",
        "l04": "UPDATE books SET genre = 'essay' WHERE id = 3",
        "l08": "INSERT INTO loans (book_id, days) VALUES (1, '[1,5)'), (2, '[5,9)')",
        "l10": "UPDATE racks SET width = 1.25",
        "l11": "INSERT INTO notes VALUES (1, 'kept until dropped')",
        "l14": "UPDATE authors SET rating = 5",
    },
)
BRANCHES = Chain(
    name="branches",
    statements={
        "b01": "+",
        "b02": "+ +",
        "b03": "+ + +",
        "b04": "+ +",
        "b06": "+ +",
        "b07": "",
        "b08": "+ +",
        "x01": "+ +",
    },
    rows={
        "b01": "INSERT INTO accounts VALUES (1, 'a@b'), (2, 'c@d')",
        "b02": "INSERT INTO invoices VALUES (1, 100)",
        "b03": "INSERT INTO sessions VALUES (1, 'secret')",
        "x01": "INSERT INTO plans VALUES (1, 2)",
    },
)
TENANT = Chain(
    name="tenant",
    statements={"t01": "+ + +", "t02": "+ + d", "t03": "+ +|"},
    rows={
        "t01": "INSERT INTO items (state) VALUES ('new'), ('old')",
        "t02": "INSERT INTO parts VALUES (1, 1); INSERT INTO items (state, weight) VALUES ('new', NULL)",
    },
    path="tenant",
)
SEVERAL = Chain(
    name="several",
    statements={"s01": "+ + + +", "s02": "+ + + +", "s03": "+ + + + +", "s04": "- -"},
    rows={
        "s01": "INSERT INTO people VALUES (1, 'Ann'); INSERT INTO audit.people VALUES (1, 'Anne')",
        "s02": "UPDATE audit.people SET person_id = 1, level = 'high'",
        "s03": """INSERT INTO "Odd Name"."The Table" VALUES (1, 'first')""",
    },
)
BASED = Chain(
    name="based",
    statements={"d01": "+ + +", "d02": "- - -", "d03": "+ +"},
    rows={
        "base": """
            INSERT INTO customers VALUES (1, 'Ann', 'free', 'old'), (2, 'Bob', NULL, NULL);
            INSERT INTO untouched VALUES (1, 'as it was')
        """,
        "d01": "INSERT INTO orders VALUES (1, 1)",
    },
    base=True,
)
COMMITTING = Chain(
    name="committing",
    statements={"c01": "+ +", "c02": "+ d + +", "c03": "+ +"},
    rows={"c01": "INSERT INTO jobs VALUES (1, 0), (2, 5)", "c02": "INSERT INTO runs VALUES (1, 1, 'log')"},
)
SYNC = Chain(
    name="sync",
    statements={"y01": "+ +", "y02": "O +", "y03": "d +", "y04": "+ +|"},
    rows={
        "y01": "INSERT INTO rooms VALUES (1, '100% mine'); INSERT INTO guests VALUES (1, 1)",
        "y03": "UPDATE rooms SET rate = 3",
    },
    sync=True,
)
REPLAYABLE = Chain(
    name="replayable",
    statements={"p01": "+", "p02": "+ d - +", "p03": "d", "p04": "+ +", "p05": "d", "p06": "+ +"},
    rows={
        "p01": "INSERT INTO songs VALUES (1, ' One '), (2, 'TWO')",
        "p04": "INSERT INTO albums VALUES (1, 'All')",
    },
    again=frozenset({"p02", "p03"}),
)
CONCURRENT = Chain(
    name="concurrent",
    statements={"n01": "+", "n02": "+ +| +| +", "n03": "+"},
    rows={"n01": "INSERT INTO visits SELECT n, 'page ' || n FROM generate_series(1, 50) n"},
)
CHAINS = {
    chain.name: chain for chain in (LIBRARY, BRANCHES, TENANT, SEVERAL, BASED, COMMITTING, SYNC, REPLAYABLE, CONCURRENT)
}
