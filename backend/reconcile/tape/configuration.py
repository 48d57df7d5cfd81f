"""A project's configuration: the file that is named, or the one that Alembic or Flask-Migrate would use here."""

import configparser
import os
from argparse import Namespace
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from tomllib import TOMLDecodeError, load
from typing import Any

from alembic.config import Config
from alembic.util import CommandError

from ..schema.errors import ChainUnreadable

SECTION = "alembic"
_INI, _TOML, _ENV = "alembic.ini", "pyproject.toml", "env.py"
_VARIABLE = "ALEMBIC_CONFIG"  # as for Alembic's own command
_FLASK_MIGRATE = Path("migrations")


def configuration(
    path: Path | None = None, *, arguments: Sequence[str] = (), section: str = SECTION, address: str | None = None
) -> Config:
    """Alembic's configuration, from the named file or folder, or from what lies in the working directory.

    A pyproject.toml beside an ini counts as well. `arguments` are for env.py, as with `alembic -x`; `address` takes the
    place of the file's sqlalchemy.url.

    Raises:
        ChainUnreadable: there is no such file, or it names no script location.
    """
    ini = _file_in(path) if path is not None else _file_here()
    toml = ini if ini.suffix == ".toml" else ini.parent / _TOML
    if not ini.is_file() and not (ini.name == _INI and toml.is_file()):
        raise ChainUnreadable(f"There is no file {ini}", "name your alembic.ini with -c")
    config = _config(ini, toml, cmd_opts=Namespace(x=list(arguments)), ini_section=section)
    if address is not None:
        config.set_main_option("sqlalchemy.url", address.replace("%", "%%"))
    try:
        location = getattr(config, "get_alembic_option", config.get_main_option)("script_location")
    except (configparser.Error, CommandError, UnicodeDecodeError, TOMLDecodeError):
        location = None
    if beside := _beside(ini, location):
        config.set_main_option("script_location", str(beside.absolute()).replace("%", "%%"))
    elif not location:
        raise ChainUnreadable(f"{ini} names no script_location", "is it an alembic.ini?")
    return config


def _beside(ini: Path, location: str | None) -> Path | None:
    """The folder of the scripts beside the file, where the working directory doesn't have them.

    For Alembic a relative location counts from there; Flask-Migrate takes the file's own folder, whatever it says.
    """
    if location is not None and (":" in location or Path(location, _ENV).is_file()):
        return None
    candidates = (ini.parent / (location or "."), ini.parent)
    return next((folder for folder in candidates if (folder / _ENV).is_file()), None)


def _config(ini: Path, toml: Path, **options: Any) -> Config:
    if "toml_file" in signature(Config).parameters and toml.is_file():  # since Alembic 1.16
        options["toml_file"] = toml
    return Config(str(ini) if ini is not toml and ini.is_file() else None, **options)


def _file_in(path: Path) -> Path:
    """The file itself, or that of a folder of migrations."""
    return path / _INI if path.is_dir() else path


def _file_here() -> Path:
    """The file that Alembic or Flask-Migrate would use in the working directory."""
    if named := os.environ.get(_VARIABLE):
        return Path(named)
    if Path(_INI).is_file() or _is_in_toml(Path(_TOML)):
        return Path(_INI)
    if (_FLASK_MIGRATE / _INI).is_file():
        return _FLASK_MIGRATE / _INI
    nearby = sorted({*Path().glob(f"*/{_INI}"), *Path().glob(f"*/*/{_INI}")})
    raise ChainUnreadable(
        "There is no alembic.ini here, no [tool.alembic] in pyproject.toml, and no folder migrations of Flask-Migrate",
        f"name the file with -c{f', such as -c {nearby[0]}' if nearby else ''}",
    )


def _is_in_toml(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        try:
            return "alembic" in load(file).get("tool", {})
        except (TOMLDecodeError, UnicodeDecodeError):
            return False
