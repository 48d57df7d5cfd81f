"""Chains that nobody wrote: strategies for lists of revisions, and for what happened to a database on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import strategies as st

ENV = Path(__file__).parent / "library" / "env.py"
TYPES = ("text", "integer", "varchar(20)", "integer NOT NULL DEFAULT 7", "numeric(8, 2)", "mood")
WIDER = {"integer": "bigint", "varchar(20)": "varchar(40)"}
MOVES = ("UPDATE", "INSERT")


@dataclass
class Model:
    """What a chain has made so far: the columns of each table with their types, and where the other objects lie."""

    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    indexes: dict[str, str] = field(default_factory=dict)
    views: dict[str, str] = field(default_factory=dict)
    checks: dict[str, str] = field(default_factory=dict)
    labels: int = 0
    made: int = 0

    def name(self, kind: str) -> str:
        self.made += 1
        return f"{kind}{self.made}"

    def free(self) -> list[str]:
        """Tables that no view shows."""
        return [table for table in self.tables if table not in self.views.values()]


Draw = Callable[[st.SearchStrategy[object]], object]


@st.composite
def chains(draw: st.DrawFn) -> list[list[str]]:
    """The statements of some revisions."""
    model = Model()
    steps = [_create, *draw(st.lists(st.sampled_from(STEPS), min_size=2, max_size=9))]
    statements = [step(draw, model) for step in steps]
    revisions: list[list[str]] = []
    for statement in filter(None, statements):
        if not revisions or len(revisions[-1]) == 4 or draw(st.booleans()):
            revisions.append([])
        revisions[-1].append(statement)
    return ["CREATE TYPE mood AS ENUM ('glad')"], *revisions  # type: ignore[return-value]


def _table(draw: st.DrawFn, model: Model) -> str:
    return draw(st.sampled_from(sorted(model.tables)))


def _create(draw: st.DrawFn, model: Model) -> str:
    table = model.name("t")
    columns = {model.name("c"): draw(st.sampled_from(TYPES)) for _ in range(draw(st.integers(0, 2)))}
    model.tables[table] = columns
    listed = "".join(f", {name} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE {table} (id integer PRIMARY KEY, n integer NOT NULL DEFAULT 0{listed})"


def _drop_table(draw: st.DrawFn, model: Model) -> str:
    if len(model.free()) < 2:
        return ""
    table = draw(st.sampled_from(sorted(model.free())))
    del model.tables[table]
    model.indexes = {name: on for name, on in model.indexes.items() if on != table}
    model.checks = {name: on for name, on in model.checks.items() if on != table}
    return f"DROP TABLE {table}"


def _rename_table(draw: st.DrawFn, model: Model) -> str:
    if not model.free():
        return ""
    table, new = draw(st.sampled_from(sorted(model.free()))), model.name("t")
    model.tables[new] = model.tables.pop(table)
    model.indexes = {name: new if on == table else on for name, on in model.indexes.items()}
    model.checks = {name: new if on == table else on for name, on in model.checks.items()}
    return f"ALTER TABLE {table} RENAME TO {new}"


def _add_column(draw: st.DrawFn, model: Model) -> str:
    table, column, kind = _table(draw, model), model.name("c"), draw(st.sampled_from(TYPES))
    model.tables[table][column] = kind
    return f"ALTER TABLE {table} ADD COLUMN {column} {kind}"


def _column(draw: st.DrawFn, model: Model) -> tuple[str, str] | None:
    found = [(table, column) for table, columns in sorted(model.tables.items()) for column in sorted(columns)]
    return draw(st.sampled_from(found)) if found else None


def _drop_column(draw: st.DrawFn, model: Model) -> str:
    found = _column(draw, model)
    if found is None or any(on == f"{found[0]}.{found[1]}" for on in model.indexes.values()):
        return ""
    del model.tables[found[0]][found[1]]
    return f"ALTER TABLE {found[0]} DROP COLUMN {found[1]}"


def _rename_column(draw: st.DrawFn, model: Model) -> str:
    found = _column(draw, model)
    if found is None:
        return ""
    new = model.name("c")
    model.tables[found[0]][new] = model.tables[found[0]].pop(found[1])
    return f"ALTER TABLE {found[0]} RENAME COLUMN {found[1]} TO {new}"


def _widen(draw: st.DrawFn, model: Model) -> str:
    found = _column(draw, model)
    if found is None or model.tables[found[0]][found[1]] not in WIDER:
        return ""
    wide = WIDER[model.tables[found[0]][found[1]]]
    model.tables[found[0]][found[1]] = wide
    return f"ALTER TABLE {found[0]} ALTER COLUMN {found[1]} TYPE {wide}"


def _index(draw: st.DrawFn, model: Model) -> str:
    table, name = _table(draw, model), model.name("i")
    model.indexes[name] = table
    return f"CREATE {draw(st.sampled_from(('', 'UNIQUE ')))}INDEX {name} ON {table} (id, n)"


def _drop_index(draw: st.DrawFn, model: Model) -> str:
    if not model.indexes:
        return ""
    name = draw(st.sampled_from(sorted(model.indexes)))
    del model.indexes[name]
    return f"DROP INDEX {name}"


def _check(draw: st.DrawFn, model: Model) -> str:
    table, name = _table(draw, model), model.name("k")
    model.checks[name] = table
    return f"ALTER TABLE {table} ADD CONSTRAINT {name} CHECK (id > -{model.made})"


def _view(draw: st.DrawFn, model: Model) -> str:
    table, name = _table(draw, model), model.name("v")
    model.views[name] = table
    return f"CREATE VIEW {name} AS SELECT id FROM {table} WHERE n <> 100"


def _drop_view(draw: st.DrawFn, model: Model) -> str:
    if not model.views:
        return ""
    name = draw(st.sampled_from(sorted(model.views)))
    del model.views[name]
    return f"DROP VIEW {name}"


def _count(draw: st.DrawFn, model: Model) -> str:
    return f"UPDATE {_table(draw, model)} SET n = n + 1"


def _label(draw: st.DrawFn, model: Model) -> str:
    model.labels += 1
    return f"ALTER TYPE mood ADD VALUE 'mood {model.labels}'"


def _comment(draw: st.DrawFn, model: Model) -> str:
    return f"COMMENT ON TABLE {_table(draw, model)} IS 'remark {model.made}'"


STEPS = [
    _create,
    _drop_table,
    _rename_table,
    _add_column,
    _add_column,
    _drop_column,
    _rename_column,
    _widen,
    _index,
    _index,
    _drop_index,
    _check,
    _view,
    _drop_view,
    _count,
    _count,
    _label,
    _comment,
]


def write(revisions: list[list[str]], folder: Path) -> Path:
    """Writes the revisions as an Alembic project; answers with its alembic.ini."""
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENV.read_text())
    ini = folder / "alembic.ini"
    ini.write_text("[alembic]\nscript_location = %(here)s\npath_separator = os\n")
    for number, statements in enumerate(revisions, start=1):
        down = f"r{number - 1:02}" if number > 1 else None
        body = "\n".join(f"    op.execute({statement!r})" for statement in statements)
        (folder / "versions" / f"r{number:02}.py").write_text(
            f"from alembic import op\nrevision = 'r{number:02}'\ndown_revision = {down!r}\n\ndef upgrade():\n{body}\n"
        )
    return ini
