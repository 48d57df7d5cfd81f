"""Splits and compares texts for the search: word by word, without case and accents, in any language.

The same rules apply to the index, to queries and to highlights, whatever the database's locale is. There is no stemming
and no list of stop words, since the language of a new recording isn't known.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import cache

LONGEST_WORD = 64
_BREAKS = (
    r"\s!-/:-@\[-`{-\u00a9\u00ab-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf\u00d7\u00f7\u055d\u055e\u060c\u061b\u061f\u06d4"
    r"\u0964\u0965\u1362-\u1368\u2000-\u200b\u200e-\u206f\u2e00-\u2e7f\u3000-\u3004\u3008-\u3020\u3030\u30fb"
    r"\uff00-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
)
# Thai, Lao, Burmese, Khmer, kana and Han are written without spaces between words.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\U00020000-\U0003ffff"
)
_ENCLOSED = 10  # combining classes below are parts of letters (virama, voicing marks), above accents and vowel points


class _Folds(dict[int, str]):
    """A cache of each character's folded form."""

    def __missing__(self, code: int) -> str:
        letters = unicodedata.normalize("NFKD", chr(code).casefold())
        base = "".join(c for c in letters if unicodedata.combining(c) < _ENCLOSED and unicodedata.category(c) != "Cf")
        folded = self[code] = unicodedata.normalize("NFC", base)
        return folded


_FOLDS = _Folds()


@cache  # so many characters take long to compile: not at each start
def _part() -> re.Pattern[str]:
    return re.compile(rf"[{_UNSPACED}]+|[^{_BREAKS}{_UNSPACED}]+")


@cache
def _unspaced() -> re.Pattern[str]:
    return re.compile(rf"[{_UNSPACED}]")


def fold(text: str) -> str:
    """The text without case and accents, for comparison."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)


def grams(folded: str, size: int) -> Iterator[str]:
    """Every substring of `size` characters, and the shorter ones at the end."""
    return (folded[at : at + size] for at in range(len(folded)))


def words(text: str) -> Iterator[str]:
    """A text's index terms: its words, and in scripts without spaces each pair of characters."""
    is_unspaced = _unspaced().match
    for part in _part().findall(fold(text)):
        if is_unspaced(part):
            yield from grams(part, 2)
        else:
            yield part[:LONGEST_WORD]


def query_terms(query: str) -> Iterator[tuple[str, bool]]:
    """The terms that a text must have, each with whether a longer term may begin with it."""
    for part in _part().findall(fold(query)):
        if _unspaced().match(part) and len(part) > 1:
            yield from ((part[at : at + 2], False) for at in range(len(part) - 1))
        else:
            yield part[:LONGEST_WORD], True


def word_pattern(query: str) -> re.Pattern[str] | None:
    """A pattern for folded texts that matches a query's words, up to a word's end; None for a query without words."""
    parts = sorted(set(_part().findall(fold(query))), key=len, reverse=True)
    spaced = "|".join(re.escape(part[:LONGEST_WORD]) for part in parts if not _unspaced().match(part))
    alternatives = [re.escape(part) for part in parts if _unspaced().match(part)]
    if spaced:
        alternatives.append(rf"(?<![^{_BREAKS}{_UNSPACED}])(?:{spaced})[^{_BREAKS}{_UNSPACED}]*")
    return re.compile("|".join(alternatives)) if alternatives else None


def text_pattern(query: str) -> re.Pattern[str]:
    """A pattern for folded texts that matches the query itself."""
    return re.compile(re.escape(fold(query)))


def find(text: str, pattern: re.Pattern[str], *, limit: int) -> list[tuple[int, int]]:
    """The matches of a pattern in a text, at most `limit`: starts and ends in the unfolded text's characters."""
    folded = fold(text)
    spans = [match.span() for match, _ in zip(pattern.finditer(folded), range(limit), strict=False) if match[0]]
    if not spans or len(folded) == len(text):
        return spans
    positions = [at for at, character in enumerate(text) for _ in fold(character)]
    return [(positions[start], positions[end - 1] + 1) for start, end in spans]
