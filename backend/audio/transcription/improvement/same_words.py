"""Compares a corrected text with its original by their words, regardless of case and punctuation."""

import re
import unicodedata
from difflib import SequenceMatcher

SIMILAR = 0.8  # of the words; correct grammar changes some
LONGEST_CHANGE = 3  # words in a row: a missing or added sentence is longer

_APOSTROPHES = str.maketrans("", "", "'`\u2019\u02bc")
# In scripts without spaces each character counts as a word: kana, Han.
_WORD = re.compile(
    r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)


def same_words(original: str, corrected: str) -> bool:
    """Whether nearly all words are equal and in order, no run of changes is long, and no number has changed."""
    if len(corrected) > 2 * len(original) + 20:  # comparing takes the product of the lengths
        return False
    before, after = _words(original), _words(corrected)
    if not before or not after or _numbers(before) != _numbers(after):
        return False
    compared = SequenceMatcher(None, before, after, autojunk=False)
    changed = (
        max(before_end - before_start, after_end - after_start)
        for kind, before_start, before_end, after_start, after_end in compared.get_opcodes()
        if kind != "equal"
    )
    return compared.ratio() >= SIMILAR and max(changed, default=0) <= LONGEST_CHANGE


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold().translate(_APOSTROPHES))


def _numbers(words: list[str]) -> list[str]:
    return [word for word in words if any(character.isdigit() for character in word)]
