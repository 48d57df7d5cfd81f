"""Writes the project of a case into a folder: its alembic.ini, its env.py and its revisions."""

from pathlib import Path

from .case import Case
from .envs import ENVS

INI = """
[alembic]
script_location = %(here)s
path_separator = os
sqlalchemy.url = {url}
"""
REVISION = """{head}import sqlalchemy as sa
from alembic import op

revision = "{id}"
down_revision = {parents!r}


def upgrade(**_names):
{body}
"""


def write_project(case: Case, folder: Path, *, url: str) -> Path:
    """Makes the folder a project whose database is at `url`; returns its alembic.ini."""
    (folder / "versions").mkdir(parents=True)
    ini = folder / "alembic.ini"
    ini.write_text(INI.format(url=url.replace("%", "%%")) + case.ini)
    (folder / "env.py").write_text(ENVS.get(case.env, case.env))
    (folder / "base.sql").write_text(case.base)
    before: tuple[str, ...] = ()
    for name, body in zip(case.ids, case.revisions, strict=True):
        (folder / "versions" / f"{name}.py").write_text(
            REVISION.format(
                head=case.head, id=name, parents=case.parents.get(name, before) or None, body=_indented(body)
            )
        )
        before = (name,)
    return ini


def _indented(body: str) -> str:
    return "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
