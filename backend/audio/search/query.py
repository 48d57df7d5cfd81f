"""Parses what a person types into a search: words, and `speaker:NAME`."""

import re
from dataclasses import dataclass

from audio.search.words import query_terms

# Phones type curly quotation marks.
_SPEAKER = re.compile(r'(?<!\S)speaker:(?:["“„]([^"“”]*)["“”]|(\S+))', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class SearchQuery:
    """The words to look for, None without any, and the names of speakers, all of whom have to speak."""

    words: str | None
    speakers: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str | None) -> "SearchQuery":
        """The query of a text. A `speaker:` without a name is taken for words."""
        speakers: list[str] = []

        def take(match: re.Match[str]) -> str:
            name = match[1] or match[2] or ""
            if not any(query_terms(name)):
                return match[0]
            speakers.append(name)
            return " "

        words = _SPEAKER.sub(take, text or "").strip()
        return cls(words=words or None, speakers=tuple(speakers))
