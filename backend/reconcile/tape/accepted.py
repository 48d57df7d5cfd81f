"""Differences that people have accepted: a file beside the tape, reviewed like code."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..schema.errors import ChainUnreadable
from ..schema.schema import Difference, parse_key

ACCEPTED_FILE = "accepted.json"


@dataclass(frozen=True)
class Accepted:
    """A difference that is fine, with the reason, and who says so."""

    difference: Difference
    reason: str
    by: str


def read_accepted(path: Path) -> tuple[Accepted, ...]:
    """The accepted differences in a file; none where there is no file.

    Raises:
        ChainUnreadable: it isn't what `write_accepted` writes.
    """
    try:
        items = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_accepted(**item) for item in items)
    except FileNotFoundError:
        return ()
    except (ValueError, TypeError) as error:
        raise ChainUnreadable(f"{path.name} can't be read: {error}", "mend the file") from error


def _accepted(*, object: str, expected: str | None, found: str | None, reason: str, by: str) -> Accepted:  # noqa: A002 - a key of the file
    return Accepted(Difference(parse_key(object), expected, found), reason, by)


def write_accepted(accepted: Iterable[Accepted], path: Path) -> None:
    """Writes them, in the order of their objects; a difference that is accepted again has its new reason."""
    latest = {str(item.difference.key): item for item in accepted}
    items = [
        {
            "object": name,
            "expected": item.difference.expected,
            "found": item.difference.actual,
            "reason": item.reason,
            "by": item.by,
        }
        for name, item in sorted(latest.items())
    ]
    path.write_text(json.dumps(items, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
