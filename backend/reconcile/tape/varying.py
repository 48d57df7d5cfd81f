"""Leaves values open on a tape that differ each time the chain is played, such as times.

Any value matches there. None is ever written into a database from the tape: the revision's own code has another one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from difflib import SequenceMatcher

from ..schema.schema import VARIES, Key, Schema
from ..sql.lexer import tokens
from .tape import Effect, Statement, Tape


def left_open(tape: Tape, *, sent: Iterable[str], sent_again: Iterable[str], end_again: Schema) -> Tape:
    """The tape without the values that differ when the chain is played a second time.

    `sent` are all statements of each play; the order of some, such as of a table's indexes, doesn't matter.
    """
    first, again = Counter(sent), Counter(sent_again)
    only_first, only_again = list((first - again).elements()), list((again - first).elements())
    texts = dict(zip(only_first, only_again, strict=True)) if len(only_first) == len(only_again) else {}
    opened = {text: _open(text, other) for text, other in texts.items()}
    definitions: dict[tuple[Key, str | None], str] = {
        (key, text): _open(text, end_again[key]) for key, text in tape.end.items() if end_again.get(key, text) != text
    }
    revisions = [
        replace(one, statements=tuple(_opened(item, opened, definitions) for item in one.statements))
        for one in tape.revisions
    ]
    return replace(tape, revisions=tuple(revisions))


def _opened(
    statement: Statement, texts: Mapping[str, str], definitions: Mapping[tuple[Key, str | None], str]
) -> Statement:
    effects = {
        key: Effect(*(definitions.get((key, text), text) for text in (effect.before, effect.after)))
        for key, effect in statement.effects.items()
    }
    return replace(statement, sql=texts.get(statement.sql, statement.sql), effects=effects)


def _open(text: str, other: str) -> str:
    """The lexemes that two texts have in common, with gaps for the others."""
    ours, theirs = ([token.text for token in tokens(one)] for one in (text, other))
    same = SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes()
    return "".join("".join(ours[start:end]) if tag == "equal" else VARIES for tag, start, end, *_ in same)


def fits(recorded: str, text: str) -> bool:
    """Whether a text matches a recorded one, with anything in its gaps."""
    if VARIES not in recorded:
        return recorded == text
    return re.fullmatch(".*?".join(map(re.escape, recorded.split(VARIES))), text, re.DOTALL) is not None
