"""The tape's file: JSON that a person can review, with one object of the schema in a line."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..observation.observe import VersionTable
from ..schema.schema import Difference, Key, parse_key
from .tape import FORMAT, Effect, Revision, Statement, Tape, TapeUnreadable


def read_tape(path: Path) -> Tape:
    """Reads the tape in a file.

    Raises:
        TapeUnreadable: there is no such file, or it holds no tape of this format.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise TapeUnreadable(f"{path.name} has the format {document['format']}; this code reads {FORMAT}.")
        return Tape(
            revisions=tuple(_revision(item) for item in document["revisions"]),
            schema=document["schema"],
            versions=VersionTable(**document["versions"]),
            postgresql=document["postgresql"],
            until=document.get("until"),
            base=_schema(document.get("base", {})),
            unwatched=tuple(document.get("unwatched", ())),
            models=document.get("models"),
            models_differ=tuple(
                Difference(parse_key(key), expected, actual)
                for key, (expected, actual) in document.get("models_differ", {}).items()
            ),
        )
    except FileNotFoundError:
        raise TapeUnreadable(f"There is no {path.name} beside the revisions: record it first.") from None
    except (ValueError, KeyError, TypeError) as error:
        raise TapeUnreadable(f"{path.name} can't be read as a tape: {error!r}.") from error


def write_tape(tape: Tape, path: Path) -> None:
    """Writes a tape for `read_tape`."""
    path.write_text(tape_text(tape), encoding="utf-8")


def tape_text(tape: Tape) -> str:
    """The text of a tape's file."""
    document = {
        "format": FORMAT,
        "postgresql": tape.postgresql,
        "schema": tape.schema,
        "versions": {"name": tape.versions.name, "schema": tape.versions.schema},
        **({"until": tape.until} if tape.until else {}),
        **({"unwatched": list(tape.unwatched)} if tape.unwatched else {}),
        **({"models": tape.models} if tape.models else {}),
        **({"models_differ": _both(tape.models_differ)} if tape.models else {}),
        **({"base": {str(key): text for key, text in tape.base.items()}} if tape.base else {}),
        "revisions": [
            {
                "id": revision.id,
                "parents": list(revision.parents),
                "source": revision.source,
                **({"file": revision.file} if revision.file else {}),
                **({"replay_safe": True} if revision.replay_safe else {}),
                **({"verifies": True} if revision.verifies else {}),
                "statements": [_statement_document(statement) for statement in revision.statements],
            }
            for revision in tape.revisions
        ],
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _both(differences: Iterable[Difference]) -> dict[str, list[str | None]]:
    return {str(item.key): [item.expected, item.actual] for item in differences}


def _statement_document(statement: Statement) -> dict[str, Any]:
    effects = [(str(key), effect.before, effect.after) for key, effect in statement.effects.items()]
    parts: dict[str, Any] = {
        "transactional": None if statement.transactional else False,
        "tables": list(statement.tables),
        "creates": {key: after for key, before, after in effects if before is None},
        "changes": {key: [before, after] for key, before, after in effects if None not in (before, after)},
        "drops": {key: before for key, before, after in effects if after is None},
    }
    return {"kind": statement.kind, "sql": statement.sql} | {
        name: part for name, part in parts.items() if part or part is False
    }


def _revision(document: dict[str, Any]) -> Revision:
    return Revision(
        id=document["id"],
        parents=tuple(document["parents"]),
        source=document["source"],
        file=document.get("file", ""),
        replay_safe=document.get("replay_safe", False),
        verifies=document.get("verifies", False),
        statements=tuple(_statement(item) for item in document["statements"]),
    )


def _statement(document: dict[str, Any]) -> Statement:
    effects = {key: Effect(None, after) for key, after in _schema(document.get("creates", {})).items()}
    changes = document.get("changes", {}).items()
    effects |= {parse_key(key): Effect(before, after) for key, (before, after) in changes}
    effects |= {key: Effect(before, None) for key, before in _schema(document.get("drops", {})).items()}
    return Statement(
        document["sql"],
        document["kind"],
        effects,
        transactional=document.get("transactional", True),
        tables=tuple(document.get("tables", ())),
    )


def _schema(document: dict[str, str]) -> dict[Key, str]:
    return {parse_key(key): text for key, text in document.items()}
