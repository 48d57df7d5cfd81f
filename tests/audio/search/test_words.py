"""How texts are compared in a search, in many languages, and where in them the marks are."""

import pytest

from audio.search.words import find, fold, query_terms, text_pattern, word_pattern, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["hello", "world"]),
        ("memo_2024-05.WAV", ["memo", "2024", "05", "wav"]),
        ("CAFE\u0301 Stra\u00dfe \u00c4pfel", ["cafe", "strasse", "apfel"]),
        ("\u0415\u0301\u043b\u043a\u0430", ["\u0435\u043b\u043a\u0430"]),
        ("\u0939\u093f\u0928\u094d\u0926\u0940 \u0964", ["\u0939\u093f\u0928\u094d\u0926\u0940"]),
        ("\u05e9\u05b8\u05c1\u05dc\u05d5\u05b9\u05dd", ["\u05e9\u05dc\u05d5\u05dd"]),
        ("\u6771\u4eac\u90fd\u3002", ["\u6771\u4eac", "\u4eac\u90fd", "\u90fd"]),
        ("\ud55c\uad6d\uc5b4", ["\ud55c\uad6d\uc5b4"]),
        ("iPhone\u624b\u673a", ["iphone", "\u624b\u673a", "\u673a"]),
        ("\u2014 ... \u3001", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Words are found without case, accents and punctuation; what has no spaces is found by pairs of characters."""
    assert list(words(text)) == expected


def test_query_terms() -> None:
    """A word may be the beginning of a longer one; of what has no spaces each pair has to be there."""
    assert list(query_terms("Hel wor")) == [("hel", True), ("wor", True)]
    assert list(query_terms("\u6771\u4eac\u90fd")) == [("\u6771\u4eac", False), ("\u4eac\u90fd", False)]
    assert list(query_terms("\u6771")) == [("\u6771", True)]


@pytest.mark.parametrize(
    ("text", "query", "expected"),
    [
        ("Hello, other world", "wor hel", ["Hello", "world"]),
        ("the others", "other the", ["the", "others"]),
        ("Stra\u00dfen und Stra\u00dfe", "strasse", ["Stra\u00dfen", "Stra\u00dfe"]),
        ("\U0001f600 CAFE\u0301s", "cafe", ["CAFE\u0301s"]),
        ("\u3053\u3053\u306f\u6771\u4eac\u90fd\u3067\u3059", "\u6771\u4eac", ["\u6771\u4eac"]),
        ("breath", "the", []),
    ],
)
def test_marks(text: str, query: str, expected: list[str]) -> None:
    """Marks cover whole words of the text as it is written, also where it is compared in another length."""
    pattern = word_pattern(query)
    assert pattern is not None
    assert [text[start:end] for start, end in find(text, pattern, limit=9)] == expected


def test_marks_of_a_part() -> None:
    """A part of a name is marked as it stands, whatever signs are in it."""
    assert find("Umsatz (100%) Stra\u00dfe", text_pattern("(100%) STRASS"), limit=9) == [(7, 19)]
    assert word_pattern("%?!") is None
    assert fold("\u0130stanbul") == "istanbul"
