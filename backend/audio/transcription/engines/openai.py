"""Any service with OpenAI's transcription API: OpenAI, and the many that speak it (Speaches, LocalAI, whisper.cpp, …).

The API: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from pydantic import BaseModel, FiniteFloat

from audio.transcription.contract import Segment, Transcript, Word, primary
from audio.transcription.engines.http_service import HttpTimeouts, Refusal, Service, with_version
from audio.transcription.engines.languages import code_of
from audio.transcription.engines.request_file import sendable

Form = Mapping[str, str | list[str]]

TIMED: Form = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
UNTIMED: Form = {"response_format": "json"}


class _Word(BaseModel):
    word: str
    start: FiniteFloat
    end: FiniteFloat


class _Segment(BaseModel):
    text: str
    start: FiniteFloat
    end: FiniteFloat
    words: list[_Word] | None = None  # where whisper.cpp puts them


class _Answer(BaseModel):
    text: str
    language: str | None = None
    words: list[_Word] | None = None
    segments: list[_Segment] | None = None

    def transcript(self, *, language: str | None) -> Transcript:
        segments = self.segments or []
        words = self.words or [word for segment in segments for word in segment.words or ()]
        return Transcript(
            text=self.text,
            language=language or code_of(self.language),
            words=tuple(Word(word.word, word.start, word.end) for word in words),
            segments=tuple(Segment(segment.text, segment.start, segment.end) for segment in segments),
        ).tidied()


class OpenAI:
    """Sends the recording whole and reads the transcript from the answer, with times where the model offers them."""

    name = "openai"

    def __init__(self, root: str, *, key: str | None, model: str, timeouts: HttpTimeouts | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._service = Service(
            self.name, with_version(root), headers=headers, key_setting="OPENAI_API_KEY", timeouts=timeouts
        )
        self._model = model
        self._timed = True

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """As the contract says."""
        if self._timed:
            try:
                return await self._ask(audio, language=language, form=TIMED)
            except Refusal as refusal:
                if not _wants_other_format(refusal):
                    raise
                self._timed = False  # the model offers no times, so the next recording is sent only once
        return await self._ask(audio, language=language, form=UNTIMED)

    async def close(self) -> None:
        """Closes the connections."""
        await self._service.close()

    async def _ask(self, audio: Path, *, language: str | None, form: Form) -> Transcript:
        told = await sendable(audio)
        fields = {"model": self._model, "temperature": "0", **form}
        if language:
            fields["language"] = primary(language) or language
        with await asyncio.to_thread(audio.open, "rb") as file:
            answer = await self._service.post(
                "/audio/transcriptions",
                answer=_Answer,
                data=fields,
                files={"file": (told.name, file, told.mime_type)},
            )
        return answer.transcript(language=language)


def _wants_other_format(refusal: Refusal) -> bool:
    """Newer models of OpenAI's give text alone, and refuse to be asked for more."""
    return refusal.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and (
        "response_format" in refusal.answer or "timestamp_granularities" in refusal.answer
    )
