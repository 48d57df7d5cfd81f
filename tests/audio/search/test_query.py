"""What a person types into a search: words, and names of speakers."""

import pytest

from audio.search.query import SearchQuery


@pytest.mark.parametrize(
    ("text", "words", "speakers"),
    [
        (None, None, ()),
        ("red bicycle", "red bicycle", ()),
        ("speaker:anna", None, ("anna",)),
        ("speaker:anna budget", "budget", ("anna",)),
        ('the budget SPEAKER:"Anna Lee" of may', "the budget   of may", ("Anna Lee",)),
        ("speaker:“Anna Lee” budget", "budget", ("Anna Lee",)),
        ("speaker:anna speaker:bob", None, ("anna", "bob")),
        ("speaker:安娜", None, ("安娜",)),
        ("loudspeaker:anna", "loudspeaker:anna", ()),
        ("speaker:", "speaker:", ()),
        ("speaker: anna", "speaker: anna", ()),
        ('speaker:"" budget', 'speaker:"" budget', ()),
        ("speaker:!?", "speaker:!?", ()),
        ('speaker:"anna', None, ('"anna',)),
    ],
)
def test_speakers_are_told_from_words(text: str | None, words: str | None, speakers: tuple[str, ...]) -> None:
    """`speaker:` and a name, in quotation marks or without, selects by who speaks; the rest are words."""
    query = SearchQuery.parse(text)
    assert (query.words, query.speakers) == (words, speakers)
