"""published: the chains that are tried, and how each is pointed at a database: as its own users point it."""

import re
import shutil
import sysconfig
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import URL


@dataclass(frozen=True)
class Chain:
    """A published chain.

    `folder` in the installed packages holds alembic.ini and, under `scripts`, env.py and the revisions. Its address
    goes into alembic.ini or, where its env.py looks elsewhere, into the environment `variable`. `prelude` is what the
    package's own commands do before they run Alembic. `in_one_run`: plain Alembic runs the chain from its first to its
    last revision, and stumbles where it has to go on from between (over a type that it would have remembered). `values`
    are what columns hold that the catalogs can't tell, as SQL by the column's name.
    """

    package: str
    folder: str
    scripts: str
    driver: str
    variable: str = ""
    prelude: str = ""
    in_one_run: bool = False
    values: Mapping[str, str] = field(default_factory=dict)


_MANILA_PRELUDE = """\
import manila.db.api
from oslo_config import cfg
cfg.CONF([], project="manila", default_config_files=[])
"""

_DISTRIBUTION = """'{"name": "UniformDistribution", "attributes": {"low": 0.0, "high": 1.0}}'"""

CHAINS = (
    Chain("arize-phoenix", "phoenix/db", "migrations", "postgresql+asyncpg"),
    Chain(
        "optuna",
        "optuna/storages/_rdb",
        "alembic",
        "postgresql+psycopg",
        in_one_run=True,
        values={"key": "'_number'", "value_json": "'7'", "distribution_json": _DISTRIBUTION},
    ),
    Chain(
        "datajunction-server",
        "datajunction_server",
        "alembic",
        "postgresql+psycopg",
        variable="DATABASE_URI",
        values={"mode": "'published'", "status": "'valid'", "type_": "'temporal'", "granularity": "'day'"},
    ),
    Chain(
        "manila",
        "manila/db/migrations",
        "alembic",
        "postgresql+psycopg2",
        variable="OS_DATABASE__CONNECTION",
        prelude=_MANILA_PRELUDE,
        values={"deleted": "'False'", "volume_type_id": "'1 of volume_types'"},
    ),
)


def named(package: str) -> Chain:
    """The chain of a package."""
    return next(chain for chain in CHAINS if chain.package == package)


def copied(chain: Chain, folder: Path, address: URL) -> Path:
    """A copy of the chain's alembic.ini and migrations, pointed at a database; nothing is written into the package."""
    installed = Path(sysconfig.get_path("purelib")) / chain.folder
    shutil.copytree(installed / chain.scripts, folder / chain.scripts)
    _prepend(folder / chain.scripts / "env.py", chain.prelude)
    ini = folder / "alembic.ini"
    ini.write_text(_settings((installed / "alembic.ini").read_text(encoding="utf-8"), address), encoding="utf-8")
    return ini


def _prepend(path: Path, text: str) -> None:
    path.write_text(text + path.read_text(encoding="utf-8"), encoding="utf-8")


def _settings(ini: str, address: URL) -> str:
    """The file with the database's address, and without Alembic's chatter."""
    url = address.render_as_string(hide_password=False).replace("%", "%%")
    ini = re.sub(r"(?m)^sqlalchemy\.url.*\n", "", ini).replace("level = INFO", "level = WARN")
    return ini.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {url}\n", 1)
