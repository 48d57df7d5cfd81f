"""What a person can do where env.py fails for the usual reasons: a sentence's second half, or nothing."""

import re
from pathlib import Path

from sqlalchemy.exc import NoSuchModuleError

_OUTSIDE = re.compile(r"outside of (an )?application context", re.IGNORECASE)
_CONNECTING = re.compile(r"\b(connection|connectable|engine)\b", re.IGNORECASE)
_ATTRIBUTES = ("connection", "connectable", "engine")


def way_on(error: Exception, env: Path, *, addressed: bool) -> str:
    """The way on after an error of env.py, which lies at `env`; `addressed`: the project names its database."""
    match error:
        case ModuleNotFoundError(name=str(name)):
            return f": install what brings {name} into this environment, or run this from where env.py is run"
        case NoSuchModuleError() if "dialects:driver" in str(error):
            return ": put the database's address into sqlalchemy.url, or give it by --url"
        case RuntimeError() if _OUTSIDE.search(str(error)):
            return ": name the application that it needs by --app module:name"
        case KeyError(args=(str(name),)) if name in _ATTRIBUTES:
            return f": it expects that its caller brings the {name}; give the database's address by --url"
        case KeyError(args=(str(name),)) if "get_x_argument" in env.read_text(encoding="utf-8", errors="replace"):
            return f": if that is an argument for env.py, give it by -x {name}=…"
        case _ if not addressed and _CONNECTING.search(str(error)):
            return ": if it expects a connection of its caller, give the database's address by --url"
    return ""
