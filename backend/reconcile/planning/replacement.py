"""The SQL for a person that restores the recorded definition of an object of ours.

Where PostgreSQL can't replace a definition in place, the object is renamed, or dropped and created again in a
transaction; no row is lost.
"""

import re

from ..schema.column import Column
from ..schema.compatibility import selected
from ..schema.create_statements import create_statement
from ..schema.schema import Key

_SWITCHES = {"": "ENABLE", "D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}
_POLICY = re.compile(r"(?P<command>\w+ for .)(?P<using> using \(.*?\))?(?P<check> with check \(.*\))?", re.DOTALL)
_NAMED_CHECK = re.compile(r'(?P<name>"(?:[^"]|"")+"|\S+) (?P<text>CHECK \(.+)', re.DOTALL)
_NEXT_CHECK = re.compile(r" (?=CHECK \()")


def aside(name: str) -> str:
    """A name for an object that is in the way and is renamed."""
    return f'{name[:-1]}_old"' if name.endswith('"') else f"{name}_old"


def function(key: Key, expected: str, actual: str) -> str:
    """Replaces a function in place, or renames it and creates the recorded one where the signature differs."""
    name, _, _ = key.name.partition("(")
    head, other = (text.partition("\n LANGUAGE ")[0] for text in (expected, actual))
    return f"{expected};" if head == other else f"ALTER ROUTINE {key.path} RENAME TO {aside(name)}; {expected};"


def trigger(key: Key, expected: str, actual: str) -> str:
    """Enables or disables a trigger, or replaces it where more differs."""
    definition, _, state = expected.partition(" enabled=")
    switch = f"ALTER TABLE {key.relation} {_SWITCHES[state]} TRIGGER {key.name};"
    if actual.partition(" enabled=")[0] == definition:
        return switch
    return f"BEGIN; DROP TRIGGER {key.name} ON {key.relation}; {definition}; {switch} COMMIT;"


def policy(key: Key, expected: str, actual: str) -> str:
    """Alters a policy, which keeps its roles; one for another command is dropped for the next heal to create."""
    own, other = _POLICY.fullmatch(expected), _POLICY.fullmatch(actual)
    if own and other and own["command"] == other["command"] and _has_all_of(own, other):
        return f"ALTER POLICY {key.name} ON {key.relation}{own['using'] or ''}{own['check'] or ''};"
    return f"DROP POLICY {key.name} ON {key.relation};"


def _has_all_of(own: re.Match[str], other: re.Match[str]) -> bool:
    """Whether each condition that a policy has is also recorded: ALTER POLICY can't remove one."""
    return all(own[part] or not other[part] for part in ("using", "check"))


def row_security(key: Key, expected: str) -> str:
    """Enables row security, for the owner too where that is recorded."""
    forced = "FORCE" if expected == "forced" else "NO FORCE"
    return f"ALTER TABLE {key.relation} ENABLE ROW LEVEL SECURITY, {forced} ROW LEVEL SECURITY;"


def view(key: Key, expected: str, actual: str) -> str:
    """Replaces a view in place if it selects the same columns, or more, so that dependent objects stay."""
    made = create_statement(key, expected) or ""
    if key.kind == "view" and f"{selected(expected)},".startswith(f"{selected(actual)},"):
        return made.replace("CREATE", "CREATE OR REPLACE", 1)
    return f"ALTER {key.kind.upper().replace('_', ' ')} {key.path} RENAME TO {aside(key.name)}; {made}"


def generated_column(key: Key) -> str:
    """Renames a stored column, which stays; the next heal adds the generated one."""
    return f"ALTER TABLE {key.relation} RENAME COLUMN {key.name} TO {aside(key.name)};"


def domain(key: Key, expected: str, actual: str, named: str) -> str:
    """Changes a domain's default, NOT NULL and checks; `named` has its own checks, one a line."""
    (own, checks), (other, _) = _apart(expected), _apart(actual)
    if own.type != other.type:
        return f"ALTER DOMAIN {key.path} RENAME TO {aside(key.name)}; CREATE DOMAIN {key.path} AS {expected};"
    there = {match["text"]: match["name"] for line in named.splitlines() if (match := _NAMED_CHECK.fullmatch(line))}
    actions = [f"DROP CONSTRAINT {name}" for text, name in there.items() if text not in checks]
    actions += [f"ADD {text}" for text in checks if text not in there]
    if own.filled != other.filled:
        actions.append(f"SET {own.filled}" if own.filled else "DROP DEFAULT")
    if own.required != other.required:
        actions.append("SET NOT NULL" if own.required else "DROP NOT NULL")
    return f"BEGIN; {' '.join(f'ALTER DOMAIN {key.path} {action};' for action in actions)} COMMIT;"


def _apart(domain: str) -> tuple[Column, list[str]]:
    definition, *checks = _NEXT_CHECK.split(domain)
    return Column.parse(definition), checks
