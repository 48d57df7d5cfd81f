"""How texts are compared in a search: without case and accents, word by word, in every language alike.

The same rules make what is indexed, what is asked for and what is marked, whatever the database's own locale is. No
word is reduced to a stem or left out: which language a recording is in isn't known when it comes in.
"""

import re
import unicodedata
from collections.abc import Iterator

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
_PARTS = re.compile(rf"[{_UNSPACED}]+|[^{_BREAKS}{_UNSPACED}]+")
_IS_UNSPACED = re.compile(rf"[{_UNSPACED}]")
_ENCLOSED = 10  # combining classes below are parts of letters (virama, voicing marks), above accents and vowel points


class _Folds(dict[int, str]):
    """What each character counts as; filled as they come."""

    def __missing__(self, code: int) -> str:
        letters = unicodedata.normalize("NFKD", chr(code).casefold())
        kept = "".join(c for c in letters if unicodedata.combining(c) < _ENCLOSED and unicodedata.category(c) != "Cf")
        folded = self[code] = unicodedata.normalize("NFC", kept)
        return folded


_FOLDS = _Folds()


def fold(text: str) -> str:
    """The text as it is compared."""
    return text.lower() if text.isascii() else text.translate(_FOLDS)


def grams(folded: str, size: int) -> Iterator[str]:
    """Every piece of that many characters, and the shorter ones at the end: any part of the text begins one."""
    return (folded[at : at + size] for at in range(len(folded)))


def words(text: str) -> Iterator[str]:
    """What a text is indexed by: its words, and of what is written without spaces each pair of characters."""
    for part in _PARTS.findall(fold(text)):
        if _IS_UNSPACED.match(part):
            yield from grams(part, 2)
        else:
            yield part[:LONGEST_WORD]


def asked_for(query: str) -> Iterator[tuple[str, bool]]:
    """The words that have to be there, each with whether it may also be the beginning of a longer one."""
    for part in _PARTS.findall(fold(query)):
        if _IS_UNSPACED.match(part) and len(part) > 1:
            yield from ((part[at : at + 2], False) for at in range(len(part) - 1))
        else:
            yield part[:LONGEST_WORD], True


def word_pattern(query: str) -> re.Pattern[str] | None:
    """Finds in a folded text what the words of a query match, words to their end; None for a query without words."""
    parts = sorted(set(_PARTS.findall(fold(query))), key=len, reverse=True)
    spaced = "|".join(re.escape(part[:LONGEST_WORD]) for part in parts if not _IS_UNSPACED.match(part))
    found = [re.escape(part) for part in parts if _IS_UNSPACED.match(part)]
    if spaced:
        found.append(rf"(?<![^{_BREAKS}{_UNSPACED}])(?:{spaced})[^{_BREAKS}{_UNSPACED}]*")
    return re.compile("|".join(found)) if found else None


def text_pattern(query: str) -> re.Pattern[str]:
    """Finds in a folded text the query as it stands."""
    return re.compile(re.escape(fold(query)))


def find(text: str, pattern: re.Pattern[str], *, limit: int) -> list[tuple[int, int]]:
    """Where a pattern is found in a text: starts and ends, at most `limit`, counted in the text's own characters."""
    folded = fold(text)
    found = [match.span() for match, _ in zip(pattern.finditer(folded), range(limit), strict=False) if match[0]]
    if not found or len(folded) == len(text):
        return found
    places = [at for at, character in enumerate(text) for _ in fold(character)]
    return [(places[start], places[end - 1] + 1) for start, end in found]
