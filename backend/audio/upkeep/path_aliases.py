"""Maps the paths of rows to names in storage, since older rows have other forms of path.

New rows have the name itself. Rows of old deployments have a path relative to another folder or an absolute one. These
prefixes are learned from rows whose bytes are located, so that an old recording isn't mistaken for an orphaned file.
"""

from collections.abc import Collection

from audio.upkeep import row_paths
from core.database.engine import Sessions
from core.errors import PegasusError

MOST_PREFIXES = 20
MOST_NAMES = 10_000


class TooManyPathAliases(PegasusError):
    message = (
        f"The rows spell where their bytes lie in more than {MOST_PREFIXES} ways, or {MOST_NAMES} of them through"
        " links: nothing is swept, for it can't be told which files they mean."
    )


class PathAliases:
    """The prefixes that were learned so far, and names that differ from their rows' paths by more than a prefix."""

    def __init__(self) -> None:
        self._prefixes = {""}
        self._other_names: set[str] = set()

    def learn(self, path: str, name: str) -> None:
        """Learns that a row's `path` refers to the bytes under `name`. Raises TooManyPathAliases."""
        if path == name:
            return
        if path.endswith(f"/{name}"):
            self._prefixes.add(path.removesuffix(name))
        else:
            self._other_names.add(name)
        if len(self._prefixes) > MOST_PREFIXES or len(self._other_names) > MOST_NAMES:
            raise TooManyPathAliases

    async def referenced(self, sessions: Sessions, names: Collection[str]) -> set[str]:
        """Those of the names that a row refers to now."""
        names_by_path = {f"{prefix}{name}": name for prefix in self._prefixes for name in names}
        paths = await row_paths.existing_paths(sessions, names_by_path) if names_by_path else ()
        return {names_by_path[path] for path in paths} | self._other_names.intersection(names)
