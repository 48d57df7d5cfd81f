"""What may be written on a recording."""

import pytest

from audio.model.file_names import file_name
from core.labels import LabelRefused, LabelTooLong, LabelUnprintable, label, user_label


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("Work", "Work"),
        ("  Work ", "Work"),
        ("", None),
        ("   ", None),
        ("\u3000会議\u00a0", "会議"),
        ("\u00a0", None),
        (None, None),
        ("Cafe\u0301", "Café"),
        ("👩‍🏫", "👩‍🏫"),
    ],
)
def test_a_label_is_kept_in_one_spelling(given: str | None, kept: str | None) -> None:
    """A label is normalised, loses the blanks around it, and is nothing when nothing is left."""
    assert label("tag", given) == kept


@pytest.mark.parametrize("given", ["a" * 100, "e\u0301" * 100, "🎙" * 100])
def test_a_hundred_characters_are_kept(given: str) -> None:
    """The limit counts characters as they are kept."""
    assert label("tag", given) is not None


def test_one_character_more_is_refused() -> None:
    """A label over the limit is refused with the limit."""
    with pytest.raises(LabelTooLong, match="The tag has 101 characters, and at most 100 are kept") as caught:
        label("tag", "a" * 101)
    assert (caught.value.field, caught.value.limit, caught.value.received) == ("tag", 100, 101)


@pytest.mark.parametrize("character", ["\x00", "\n", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
@pytest.mark.parametrize("keep", [lambda text: label("tag", text), user_label, file_name])
def test_control_characters_are_refused(character: str, keep: object) -> None:
    """What no eye sees, and what no database keeps, is refused everywhere."""
    assert callable(keep)
    with pytest.raises(LabelUnprintable):
        keep(f"a{character}b")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("../memo.wav", "memo.wav"),
        ("/etc/passwd", "passwd"),
        ("a/b.wav", "b.wav"),
        ("a\\b.wav", "b.wav"),
        ("C:\\fakepath\\memo.wav", "memo.wav"),
        (f"{'a' * 300}/b.wav", "b.wav"),
        ("..", None),
        (".", None),
        ("a/", None),
    ],
)
def test_a_file_name_is_never_a_path(path: str, name: str | None) -> None:
    """Of a name that says where a file should lie, its last part is kept: it is no reason to lose a recording."""
    assert file_name(path) == name


@pytest.mark.parametrize("name", ["memo.wav", "Ä memo 🎙.wav", "a" * 255, "ä" * 127, "...", "CON"])
def test_other_file_names_are_kept(name: str) -> None:
    """Up to 255 bytes, any other name is kept for display."""
    assert file_name(name) == name


@pytest.mark.parametrize("name", ["a" * 256, "ä" * 128])
def test_a_long_file_name_is_refused(name: str) -> None:
    """256 bytes are too many."""
    with pytest.raises(LabelRefused, match="256 bytes"):
        file_name(name)
