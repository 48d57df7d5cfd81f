"""Breaks chains of published packages after every statement of every revision, heals them, and prints the tallies.

Each chain runs in its own environment (.venv-chains, by `make chains`), on its own env.py and driver, from a copy of
its migrations: nothing is written into the packages. The exit code is 0 only when nothing went wrong.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.embedded_postgres import join

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-chains" / "bin" / "python"
BREAK = Path(__file__).parent / "chains" / "break_chain.py"
SHOWN_CHARACTERS = 1500


@dataclass(frozen=True)
class Chain:
    """A published chain: the package, the folder in it that holds alembic.ini, and its own driver for PostgreSQL."""

    package: str
    folder: str
    scripts: str
    driver: str


CHAINS = (
    Chain("arize-phoenix", "phoenix/db", "migrations", "postgresql+asyncpg"),
    Chain("optuna", "optuna/storages/_rdb", "alembic", "postgresql+psycopg"),
)


def main() -> int:
    """Prints a line for each chain, and what was refused or wrong in detail."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--details", action="store_true", help="also print each state that was refused")
    details = parser.parse_args().details
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="pegasus-chains-") as folder:
        Path(folder).chmod(0o711)  # for root, whose PostgreSQL runs as somebody else
        server = join(Path(folder) / "data")
        for chain in CHAINS:
            tally = trial(chain, copied(chain, Path(folder)), server.address)
            print(told(tally, details=details), flush=True)
            wrong += tally["ddl"].get("wrong", 0) + tally["other"].get("wrong", 0)
        server.leave()
    return 1 if wrong else 0


def copied(chain: Chain, folder: Path) -> Path:
    """A copy of the chain's alembic.ini and migrations, its address naming the driver and, for now, no database."""
    package = next((PYTHON.parent.parent / "lib").glob("python*/site-packages")) / chain.folder
    copy = folder / chain.package
    shutil.copytree(package / chain.scripts, copy / chain.scripts)
    ini = (package / "alembic.ini").read_text(encoding="utf-8")
    ini = re.sub(r"(?m)^sqlalchemy\.url.*\n", "", ini)
    ini = ini.replace("[alembic]\n", f"[alembic]\nsqlalchemy.url = {chain.driver}://\n", 1)
    (copy / "alembic.ini").write_text(ini, encoding="utf-8")
    return copy / "alembic.ini"


def trial(chain: Chain, ini: Path, server: str) -> dict[str, Any]:
    """What became of a chain's states."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "backend"), "PYTHONDONTWRITEBYTECODE": "1"}
    finished = subprocess.run(
        [PYTHON, BREAK, chain.package, ini, server],
        cwd=ini.parent,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if finished.returncode:
        sys.exit(f"{chain.package} could not be tried.")
    tally: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
    return tally


def told(tally: dict[str, Any], *, details: bool) -> str:
    """The tally in words."""
    of_chain = f"{tally['revisions']} revisions, {tally['recorded']} recorded with {tally['statements']} statements"
    lines = [f"{tally['chain']}: {of_chain}, {tally['located']} located without alembic_version"]
    lines += [f"  not recorded: {tally['why_no_more']}"] * bool(tally["why_no_more"])
    for name, counts in (("all DDL", tally["ddl"]), ("with data", tally["other"])):
        numbers = ", ".join(f"{counts.get(what, 0)} {what}" for what in ("tried", "healed", "refused", "wrong"))
        share = counts.get("healed", 0) / (counts.get("tried") or 1)
        lines.append(f"  states in revisions {name:9}: {numbers} ({share:.1%} healed)")
    shown = [item for item in tally["details"] if details or "refused" not in item.partition("\n")[0]]
    return "\n".join([*lines, *(item[:SHOWN_CHARACTERS] for item in shown)])


if __name__ == "__main__":
    sys.exit(main())
