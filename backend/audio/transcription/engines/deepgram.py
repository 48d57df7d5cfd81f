"""Deepgram's endpoint for recordings: https://developers.deepgram.com/reference/speech-to-text/listen-pre-recorded."""

from pathlib import Path

from pydantic import BaseModel, FiniteFloat

from audio.transcription.contract import Segment, Transcript, Word
from audio.transcription.engines.http_service import HttpTimeouts, Service
from audio.transcription.engines.languages import code_of
from audio.transcription.engines.request_file import chunks, describe_file


class _Word(BaseModel):
    word: str
    punctuated_word: str | None = None
    start: FiniteFloat
    end: FiniteFloat


class _Alternative(BaseModel):
    transcript: str
    words: list[_Word] = []


class _Channel(BaseModel):
    alternatives: list[_Alternative]
    detected_language: str | None = None


class _Utterance(BaseModel):
    transcript: str
    start: FiniteFloat
    end: FiniteFloat
    speaker: int | None = None

    def segment(self) -> Segment:
        speaker = None if self.speaker is None else str(self.speaker + 1)
        return Segment(self.transcript, self.start, self.end, speaker)


class _Results(BaseModel):
    channels: list[_Channel]
    utterances: list[_Utterance] = []


class _Answer(BaseModel):
    results: _Results

    def transcript(self, *, language: str | None) -> Transcript:
        """The first channel's first alternative; by default Deepgram mixes the channels down to one."""
        speech = next((channel for channel in self.results.channels if channel.alternatives), None)
        if speech is None:
            return Transcript("", language)
        best = speech.alternatives[0]
        return Transcript(
            text=best.transcript,
            language=language or code_of(speech.detected_language),
            words=tuple(Word(word.punctuated_word or word.word, word.start, word.end) for word in best.words),
            segments=tuple(utterance.segment() for utterance in self.results.utterances),
        ).normalized()


class Deepgram:
    """Sends the recording's bytes and reads words and utterances from the answer."""

    name = "deepgram"

    def __init__(
        self, root: str, *, key: str, model: str, speakers: bool = False, timeouts: HttpTimeouts | None = None
    ) -> None:
        self._service = Service(
            self.name,
            root,
            headers={"Authorization": f"Token {key}"},
            key_setting="DEEPGRAM_API_KEY",
            timeouts=timeouts,
        )
        self._params = {"model": model, "smart_format": "true", "utterances": "true"}
        if speakers:
            self._params["diarize"] = "true"

    async def transcribe(self, audio: Path, *, language: str | None) -> Transcript:
        """See `Engine.transcribe`."""
        file = await describe_file(audio)
        language_params = {"language": language} if language else {"detect_language": "true"}
        answer = await self._service.post(
            "/v1/listen",
            answer=_Answer,
            params=self._params | language_params,
            headers={"Content-Type": file.mime_type, "Content-Length": str(file.size_bytes)},
            content=chunks(audio),
        )
        return answer.transcript(language=language)

    async def close(self) -> None:
        """Closes the connections."""
        await self._service.close()
