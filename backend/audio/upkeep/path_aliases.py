"""Which names of storage a row means, for rows spell them in more than one way.

A row of today has the very name. Rows of old deployments count from another folder or hold a whole path, and each of
these ways is learned from the rows whose bytes are found; so an old recording is never taken for a left-over file.
"""

from collections.abc import Collection

from audio.upkeep import row_paths
from core.database.engine import Sessions
from core.errors import PegasusError

MOST_PREFIXES = 20
MOST_ODD = 10_000


class TooManyPathAliases(PegasusError):
    """The rows spell their paths in too many ways for telling which files they mean."""

    def __init__(self) -> None:
        super().__init__(
            f"The rows spell where their bytes lie in more than {MOST_PREFIXES} ways, or {MOST_ODD} of them through"
            " links: nothing is swept, for it can't be told which files they mean."
        )


class PathAliases:
    """The ways that were learned so far."""

    def __init__(self) -> None:
        self._prefixes = {""}
        self._odd: set[str] = set()

    def learn(self, path: str, name: str) -> None:
        """A row says `path`, and means the bytes that storage calls `name`. Raises TooManyPathAliases."""
        if path == name:
            return
        if path.endswith(f"/{name}"):
            self._prefixes.add(path.removesuffix(name))
        else:
            self._odd.add(name)
        if len(self._prefixes) > MOST_PREFIXES or len(self._odd) > MOST_ODD:
            raise TooManyPathAliases

    async def known(self, sessions: Sessions, names: Collection[str]) -> set[str]:
        """Those of the names that a row means, asked now."""
        spelled = {f"{prefix}{name}": name for prefix in self._prefixes for name in names}
        found = await row_paths.named(sessions, spelled) if spelled else ()
        return {spelled[path] for path in found} | self._odd.intersection(names)
