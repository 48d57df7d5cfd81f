"""Which revisions are new: those whose files another commit of the repository doesn't have as they are."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from alembic.script import Script

from ..schema.errors import ReconcileError


class CommitUnknown(ReconcileError):
    """git doesn't know the commit, or isn't there."""

    def __init__(self, commit: str, reason: str) -> None:
        super().__init__(f"The revisions that are new since {commit} can't be found: {reason}")
        self.commit = commit


def new_since(commit: str | None, revisions: Sequence[Script]) -> tuple[Script, ...]:
    """The revisions that were added or changed since a commit; without one, those that no other follows.

    Raises:
        CommitUnknown: git doesn't know the commit.
    """
    if commit is None:
        return tuple(script for script in revisions if script.is_head)
    changed = set[Path]()
    for folder in {Path(script.path).resolve().parent for script in revisions}:
        root = Path(_git(folder, commit, "rev-parse", "--show-toplevel").strip())
        names = _git(folder, commit, "diff", "--name-only", "--no-renames", "-z", commit, "--", ".")
        names += _git(folder, commit, "ls-files", "--full-name", "--others", "-z", "--", ".")
        changed |= {(root / name).resolve() for name in names.split("\0") if name}
    return tuple(script for script in revisions if Path(script.path).resolve() in changed)


def _git(folder: Path, commit: str, *arguments: str) -> str:
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, encoding="utf-8"
        )
    except FileNotFoundError as error:
        raise CommitUnknown(commit, "there is no git here") from error
    except subprocess.CalledProcessError as error:
        raise CommitUnknown(commit, " ".join(error.stderr.split()) or "git fails") from error
    return ended.stdout
