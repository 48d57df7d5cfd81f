"""Services with OpenAI's transcription API: OpenAI, Speaches, LocalAI, whisper.cpp and others.

The API: https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path

from pydantic import BaseModel, FiniteFloat

from audio.transcription.contract import Segment, Transcript, Word, primary
from audio.transcription.engines.http_service import HttpTimeouts, Service, ServiceRefusal, with_version
from audio.transcription.engines.languages import code_of
from audio.transcription.engines.request_file import describe_file

Form = Mapping[str, str | list[str]]

TIMED: Form = {"response_format": "verbose_json", "timestamp_granularities[]": ["word", "segment"]}
UNTIMED: Form = {"response_format": "json"}
BY_SPEAKER: Form = {"response_format": "diarized_json", "chunking_strategy": "auto"}


class _Word(BaseModel):
    word: str
    start: FiniteFloat
    end: FiniteFloat


class _Segment(BaseModel):
    text: str
    start: FiniteFloat
    end: FiniteFloat
    speaker: str | None = None
    words: list[_Word] | None = None  # whisper.cpp has them here


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
            segments=tuple(Segment(one.text, one.start, one.end, one.speaker) for one in segments),
        ).normalized()


class OpenAI:
    """Sends the recording's bytes and reads the transcript from the answer, with times where the model has them."""

    name = "openai"

    def __init__(
        self, root: str, *, key: str | None, model: str, speakers: bool = False, timeouts: HttpTimeouts | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._service = Service(
            self.name, with_version(root), headers=headers, key_setting="OPENAI_API_KEY", timeouts=timeouts
        )
        self._model = model
        self._forms = [BY_SPEAKER, TIMED, UNTIMED] if speakers else [TIMED, UNTIMED]

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """See `Engine.transcribe`."""
        forms = self._forms
        for position, form in enumerate(forms[:-1], 1):
            try:
                return await self._post(audio, language=language, form=form)
            except ServiceRefusal as refusal:
                if not _wants_other_format(refusal):
                    raise
                self._forms = forms[position:]  # the model tells less than that; the next recording is sent only once
        return await self._post(audio, language=language, form=forms[-1])

    async def close(self) -> None:
        """Closes the connections."""
        await self._service.close()

    async def _post(self, audio: Path, *, language: str | None, form: Form) -> Transcript:
        description = await describe_file(audio)
        fields = {"model": self._model, "temperature": "0", **form}
        if language:
            fields["language"] = primary(language) or language
        with await asyncio.to_thread(audio.open, "rb") as file:
            answer = await self._service.post(
                "/audio/transcriptions",
                answer=_Answer,
                data=fields,
                files={"file": (description.name, file, description.mime_type)},
            )
        return answer.transcript(language=language)


def _wants_other_format(refusal: ServiceRefusal) -> bool:
    """Newer models of OpenAI return text alone, and refuse requests for times."""
    return refusal.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY} and (
        "response_format" in refusal.answer
        or "timestamp_granularities" in refusal.answer
        or "chunking_strategy" in refusal.answer
    )
