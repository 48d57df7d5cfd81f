"""Projects with a chain of a few statements, whose env.py makes its own engine."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from .tenants import ENV, INI

REVISION = """
from alembic import op

revision = {id!r}
down_revision = {parent!r}


def upgrade():
{body}
"""
_RUNS = "    op.execute({statement!r})"
_ALONE = "    with op.get_context().autocommit_block():\n        op.execute({statement!r})"
ALONE = "-- alone: "


def write_chain(folder: Path, address: str, chain: Mapping[str, Sequence[str]]) -> Path:
    """A project with revisions of these statements, outside a transaction behind ALONE; returns its alembic.ini."""
    versions = folder / "migrations" / "versions"
    versions.mkdir(parents=True)
    ini = folder / "alembic.ini"
    url = address.replace("postgresql://", "postgresql+psycopg://").replace("%", "%%")
    ini.write_text(INI.format(url=url), encoding="utf-8")
    (folder / "migrations" / "env.py").write_text(ENV, encoding="utf-8")
    for parent, (revision, statements) in zip((None, *chain), chain.items(), strict=False):
        body = "\n".join(
            (_ALONE if statement.startswith(ALONE) else _RUNS).format(statement=statement.removeprefix(ALONE))
            for statement in statements
        )
        text = REVISION.format(id=revision, parent=parent, body=body or "    pass")
        (versions / f"{revision}.py").write_text(text, encoding="utf-8")
    return ini
