"""Subtitles and plain text: when which words are shown, and how they are written."""

import re

import pytest

from audio.transcription.contract import Segment, Transcript, Word
from audio.transcription.subtitles import LINE_WIDTH, Cue, cues, srt, txt, vtt

SAID = Transcript(
    "Hello there. How are you?",
    "en",
    segments=(Segment("Hello there.", 0.5, 2.0), Segment("How are you?", 3661.25, 3663.9994)),
)


def test_subrip() -> None:
    """SubRip numbers its cues and has commas in its times."""
    assert srt(SAID) == (
        "1\n00:00:00,500 --> 00:00:02,000\nHello there.\n\n2\n01:01:01,250 --> 01:01:03,999\nHow are you?\n\n"
    )


def test_webvtt() -> None:
    """WebVTT begins with its name and has points in its times."""
    assert vtt(SAID) == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:02.000\nHello there.\n\n01:01:01.250 --> 01:01:03.999\nHow are you?\n"
    )


def test_text() -> None:
    """Plain text is the transcript, with a paragraph after a long pause."""
    assert txt(SAID) == "Hello there.\n\nHow are you?\n"
    assert txt(Transcript("No times here.")) == "No times here.\n"
    close = (Segment("Hello there.", 0, 2), Segment("How are you?", 2.5, 4))
    assert txt(Transcript("Hello there. How are you?", segments=close)) == "Hello there. How are you?\n"


CALL = Transcript(
    "Did you? I did. Twice. Good.",
    segments=(
        Segment("Did you?", 0, 1, "Ada"),
        Segment("I did.", 1, 2, "Ben > <b>"),
        Segment("Twice.", 2.5, 3, "Ben > <b>"),
        Segment("Good.", 3, 4),
    ),
)


def test_speakers_are_named() -> None:
    """Text and SubRip name who speaks where another one did before, WebVTT with each cue; nobody is made up."""
    assert txt(CALL) == "Ada: Did you?\n\nBen > <b>: I did. Twice.\n\nGood.\n"
    assert [block.split("\n", 2)[2] for block in srt(CALL).strip().split("\n\n")] == [
        "Ada: Did you?",
        "Ben > < b>: I did.",
        "Twice.",
        "Good.",
    ]
    assert [block.split("\n", 1)[1].strip() for block in vtt(CALL).split("\n\n")[1:]] == [
        "<v Ada>Did you?",
        "<v Ben &gt; &lt;b&gt;>I did.",
        "<v Ben &gt; &lt;b&gt;>Twice.",
        "Good.",
    ]


def test_nobody_speaks() -> None:
    """An empty transcript, and one without times, is a file without cues."""
    for transcript in (Transcript(""), Transcript("No times here.")):
        assert (srt(transcript), vtt(transcript)) == ("", "WEBVTT\n")
    assert txt(Transcript("")) == ""


def shown(text: str) -> Transcript:
    return Transcript(text, segments=(Segment(text, 0, 2),))


# text, as SubRip, as WebVTT
WRITTEN = {
    "markup": ("a <b>bold</b> move", "a < b>bold< /b> move", "a &lt;b&gt;bold&lt;/b&gt; move"),
    "less": ("1 < 2 & 3 > 2", "1 < 2 & 3 > 2", "1 &lt; 2 &amp; 3 &gt; 2"),
    "arrow": ("from a --> to b", "from a → to b", "from a --&gt; to b"),
    "entity": ("&nbsp; is a space", "&nbsp; is a space", "&amp;nbsp; is a space"),
    "position": ("{\\an8}up there", "{ \\an8}up there", "{\\an8}up there"),
    "lines": ("one\n\ntwo\nthree", "one two three", "one two three"),
    "right to left": ("שלום עולם", "שלום עולם", "שלום עולם"),
}


@pytest.mark.parametrize(("text", "subrip", "webvtt"), WRITTEN.values(), ids=WRITTEN)
def test_written(text: str, subrip: str, webvtt: str) -> None:
    """What was said is never taken for markup, times or the end of a cue."""
    assert srt(shown(text)) == f"1\n00:00:00,000 --> 00:00:02,000\n{subrip}\n\n"
    assert vtt(shown(text)) == f"WEBVTT\n\n00:00:00.000 --> 00:00:02.000\n{webvtt}\n"


def test_long_segments_are_cut_where_the_words_are() -> None:
    """A long segment becomes cues of at most two lines, at sentences where it can, each with its own words' times."""
    text = "This sentence is neither short nor very long, I think. " + " ".join(["word"] * 40) + "."
    names = re.findall(r"\w+", text)
    words = tuple(Word(name, at * 0.3, at * 0.3 + 0.25) for at, name in enumerate(names))
    shown_cues = cues(Transcript(text, words=words, segments=(Segment(text, 0, 60),)))
    assert shown_cues[0] == Cue(0, 2950, ("This sentence is neither", "short nor very long, I think."))
    assert shown_cues[1].start_ms == 3000
    assert shown_cues[-1].end_ms == round(words[-1].end_seconds * 1000)
    assert " ".join(line for cue in shown_cues for line in cue.lines) == text
    for cue in shown_cues:
        assert len(cue.lines) <= 2
        assert all(len(line) <= LINE_WIDTH for line in cue.lines)
        assert cue.end_ms - cue.start_ms <= 7000


def test_words_that_are_not_the_segments() -> None:
    """Where the words aren't those of the segment, its time is shared out."""
    text = " ".join(["abcd"] * 20)
    segments = (Segment(text, 10, 20),)
    shown_cues = cues(Transcript(text, words=(Word("else", 0, 1),), segments=segments))
    assert [(cue.start_ms, cue.end_ms) for cue in shown_cues] == [(10_000, 17_000), (17_000, 20_000)]


def test_words_alone() -> None:
    """Words without segments are enough; a pause begins a new cue."""
    words = (Word("Well,", 0, 0.5), Word("yes.", 0.6, 1.5), Word("But", 4, 4.2), Word("no.", 4.3, 5.5))
    shown_cues = cues(Transcript("Well, yes. But no.", words=words))
    assert shown_cues == [Cue(0, 1500, ("Well, yes.",)), Cue(4000, 5500, ("But no.",))]


def test_split_words() -> None:
    """A word that the engine tells in two pieces keeps its times."""
    words = (Word("well", 1, 1.4), Word("-known", 1.4, 2), Word("words", 2, 3))
    shown_cues = cues(Transcript("well-known words", words=words, segments=(Segment("well-known words", 0, 9),)))
    assert shown_cues == [Cue(1000, 3000, ("well-known words",))]


def test_scripts_without_spaces() -> None:
    """Japanese is broken between characters, before no mark, and counts twice as wide."""
    text = "今日はとても天気がいいので、公園まで歩いて行きました。そこで友達に会って、一緒に昼ご飯を食べました。"
    shown_cues = cues(Transcript(text, "ja", segments=(Segment(text, 0, 8),)))
    lines = [line for cue in shown_cues for line in cue.lines]
    assert "".join(lines) == text
    assert all(len(line) <= LINE_WIDTH // 2 for line in lines)
    assert not any(line.startswith(("、", "。")) for line in lines)


AWKWARD = {
    "at one time": (Segment("a", 1, 1), Segment("b", 1, 1)),
    "overlapping": (Segment("a", 0, 5), Segment("b", 3, 6)),
    "short": (Segment("a", 0, 0.1), Segment("b", 0.4, 0.5)),
    "no letters": (Segment("— …", 0, 1), Segment("♪", 2, 3)),
    "one endless word": (Segment("x" * 200, 0, 3),),
    "nearly the next second": (Segment("a", 0.9996, 1.9999),),
    "hundred hours": (Segment("a", 360_000, 360_001),),
}


@pytest.mark.parametrize("segments", AWKWARD.values(), ids=AWKWARD)
def test_every_cue_is_valid(segments: tuple[Segment, ...]) -> None:
    """Each cue ends after it starts, none starts before the one before it, and no time is out of its range."""
    transcript = Transcript("", segments=segments)
    shown_cues = cues(transcript)
    assert [cue.start_ms for cue in shown_cues] == sorted(cue.start_ms for cue in shown_cues)
    assert all(cue.end_ms > cue.start_ms and all(cue.lines) for cue in shown_cues)
    timing = re.compile(r"\d{2,}:[0-5]\d:[0-5]\d\.\d{3} --> \d{2,}:[0-5]\d:[0-5]\d\.\d{3}")
    assert len(timing.findall(vtt(transcript))) == len(shown_cues) > 0


def test_short_words_stay_a_while() -> None:
    """A short cue is shown for a second, unless the next one comes."""
    shown_cues = cues(Transcript("", segments=(Segment("a", 0, 0.1), Segment("b", 0.4, 0.5))))
    assert [(cue.start_ms, cue.end_ms) for cue in shown_cues] == [(0, 400), (400, 1400)]
