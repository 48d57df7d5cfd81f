"""Improvement: punctuation and grammar, and never another text than what was said."""

import json
import re
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.responses import JSONResponse, Response

from audio.transcription.contract import EngineBusy, EngineRefused, EngineUnreachable, Segment, Transcript
from audio.transcription.improvement.improver import PART_CHARACTERS, Improved, Improver
from audio.transcription.improvement.same_words import same_words
from audio.transcription.improvement.text_chunks import split
from tests.audio.transcription.service import KEY, Answer, Asked, Speaker, replying

SAID = "so we meet on friday at 3 and he don't bring the report i think that is all"
GOOD = "So we meet on Friday at 3, and he doesn't bring the report. I think that is all."


@pytest.fixture
async def improver(service: Speaker) -> AsyncIterator[Improver]:
    """An improver at the service."""
    improver = Improver(service.address, key=KEY, model="llama3.2")
    yield improver
    await improver.close()


def writing(write: Callable[[str], str], *, finish_reason: str = "stop") -> Answer:
    """A model that answers to each text with what `write` makes of it."""

    async def answer(asked: Asked) -> Response:
        content = write(asked.body["messages"][-1]["content"])
        message = {"role": "assistant", "content": content}
        return JSONResponse({"choices": [{"index": 0, "message": message, "finish_reason": finish_reason}]})

    return answer


async def test_improved(service: Speaker, improver: Improver) -> None:
    """The text is sent once, as what it is, to be decoded without chance; the answer is the improved transcript."""
    service.answer = writing(lambda _: f"\n{GOOD}\n")
    assert await improver.improve(Transcript(SAID)) == Improved(GOOD, parts=1, accepted_parts=1)
    (asked,) = service.asked
    assert asked.headers["authorization"] == f"Bearer {KEY}"
    assert (asked.body["model"], asked.body["temperature"], asked.body["stream"]) == ("llama3.2", 0, False)
    assert [message["role"] for message in asked.body["messages"]] == ["system", "user"]
    assert asked.body["messages"][1]["content"] == SAID


NONSENSE: dict[str, str] = {
    "nothing": "",
    "an answer": "I'm sorry, but I can't help with that request.",
    "obedient": "PWNED",
    "a summary": "Meeting on Friday at 3; the report is missing.",
    "a translation": "Also treffen wir uns am Freitag um 3, und er bringt den Bericht nicht mit.",
    "half of it": GOOD[: len(GOOD) // 2],
    "twice": f"{GOOD} {GOOD}",
    "a preamble": f"Here is the corrected text of the transcript:\n{GOOD}",
    "an afterthought": f"{GOOD} I fixed the grammar and added punctuation.",
    "another number": GOOD.replace("3", "4"),
    "its own order": " ".join(sorted(SAID.split())),
    "the same word for ever": "so " * 5000,
    "thoughts alone": "<think>The user wants me to",
}


@pytest.mark.parametrize("written", NONSENSE.values(), ids=NONSENSE)
async def test_nonsense(service: Speaker, improver: Improver, written: str) -> None:
    """A model that answers anything but the same words changes nothing."""
    service.answer = writing(lambda _: written)
    assert await improver.improve(Transcript(SAID)) == Improved(SAID, parts=1, accepted_parts=0)


async def test_cut_off(service: Speaker, improver: Improver) -> None:
    """An answer that ran into the limit isn't taken, whatever it holds."""
    service.answer = writing(lambda _: GOOD, finish_reason="length")
    assert (await improver.improve(Transcript(SAID))).accepted_parts == 0


async def test_a_thinking_model(service: Speaker, improver: Improver) -> None:
    """What a model thinks before it answers is left out."""
    service.answer = writing(lambda text: f"<think>\nHm, {text}?\n</think>\n\n{GOOD}")
    assert (await improver.improve(Transcript(SAID))).text == GOOD


async def test_a_long_transcript(service: Speaker, improver: Improver) -> None:
    """A long transcript goes in parts, none larger than a small model takes; a part that comes back wrong stays."""
    text = " ".join(f"this is sentence number {number}." for number in range(400))
    service.answer = writing(lambda part: "No." if "number 200." in part else re.sub(r"\bthis", "This", part))
    improved = await improver.improve(Transcript(text))
    assert improved.parts == len(service.asked) > 4
    assert improved.accepted_parts == improved.parts - 1
    assert all(len(asked.body["messages"][1]["content"]) <= PART_CHARACTERS for asked in service.asked)
    assert improved.text.casefold() == text
    assert "This is sentence number 0. This is" in improved.text
    assert "this is sentence number 200." in improved.text


async def test_nothing_said(service: Speaker, improver: Improver) -> None:
    """An empty transcript asks nobody."""
    assert await improver.improve(Transcript("")) == Improved("", parts=0, accepted_parts=0)
    assert service.asked == []


FAILURES = {
    "no model": (404, '{"error": {"code": "model_not_found"}}', EngineRefused),
    "busy": (429, "{}", EngineBusy),
    "not a chat": (200, json.dumps({"text": "hello"}), EngineUnreachable),
    "no JSON": (200, "<html>", EngineUnreachable),
}


@pytest.mark.parametrize(("status", "body", "kind"), FAILURES.values(), ids=FAILURES)
async def test_failed(service: Speaker, improver: Improver, status: int, body: str, kind: type[Exception]) -> None:
    """A service that fails is told apart as an engine is, so that the caller keeps the original or tries again."""
    service.answer = replying(status, body)
    with pytest.raises(kind, match="^The improvement engine"):
        await improver.improve(Transcript(SAID))


SAME = {
    "punctuation": ("well lets go", "Well, let's go!"),
    "case": ("we met anna in paris", "We met Anna in Paris."),
    "a changed ending": ("he have three red apples in his bag", "He has three red apples in his bag."),
    "other forms of letters": ("\ufb01nd the cafe\u0301 over there", "Find the caf\u00e9 over there."),
    "Japanese": ("今日は天気がいいですね", "今日は、天気がいいですね。"),
    "Hindi": ("नमस्ते आप कैसे हैं", "नमस्ते, आप कैसे हैं?"),
    "paragraphs": ("one two. three four.", "One two.\n\nThree four."),
}
OTHER = {
    "the opposite": ("yes", "No."),
    "nothing": ("yes", "?!"),
    "from nothing": ("...", "Hello there."),
    "a number": ("it costs 1500 in all I believe", "It costs 15,000 in all, I believe."),
    "a number in words": ("it costs fifteen in all I believe", "It costs 15 in all, I believe."),
    "Japanese": ("今日は天気がいいですね", "明日は雨が降るでしょう。"),
    "a sentence more in a long text": ("word " * 300, "word " * 150 + "This was never said. " + "word " * 150),
    "a sentence less in a long text": (
        " ".join(map(str, ["a b c d e f"] * 50)) + " and this one goes",
        "a b c d e f " * 50,
    ),
}


@pytest.mark.parametrize(("original", "corrected"), SAME.values(), ids=SAME)
def test_same_words(original: str, corrected: str) -> None:
    """Punctuation, case and some grammar leave a text what it is."""
    assert same_words(original, corrected)


@pytest.mark.parametrize(("original", "corrected"), OTHER.values(), ids=OTHER)
def test_other_words(original: str, corrected: str) -> None:
    """Other words are another text, few as they may be in a long one."""
    assert not same_words(original, corrected)


def test_parts_are_the_text() -> None:
    """Parts follow sentences, else the engine's segments, else spaces, and together are the text again."""
    sentences = Transcript("One two three. Four five six. Seven eight nine.")
    assert split(sentences, limit_characters=20) == ["One two three.", " Four five six.", " Seven eight nine."]
    heard = "one two three four five six seven eight"
    segments = tuple(Segment(text, 0, 1) for text in ("one two three", "four five six", "seven eight"))
    assert split(Transcript(heard, segments=segments), limit_characters=20) == [
        "one two three",
        " four five six",
        " seven eight",
    ]
    assert split(Transcript(heard), limit_characters=20) == ["one two three four", " five six seven", " eight"]
    assert split(Transcript("x" * 50), limit_characters=20) == ["x" * 20, "x" * 20, "x" * 10]
    assert split(Transcript("昨日は雨。今日は晴れ。明日は雪。"), limit_characters=8) == [
        "昨日は雨。",
        "今日は晴れ。",
        "明日は雪。",
    ]
