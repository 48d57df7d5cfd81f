"""Services on a real socket of this machine: one that speaks the engines' protocols, and ones that break off."""

import asyncio
import hashlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.serving import served

KEY = "sk-Secret-0123456789"
SAID = "Please send the report before Friday."

# As OpenAI answers for whisper-1: the language by name, the words without their punctuation.
OPENAI_ANSWER: dict[str, Any] = {
    "task": "transcribe",
    "language": "english",
    "duration": 2.6,
    "text": SAID,
    "segments": [
        {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": 2.5,
            "text": f" {SAID}",
            "tokens": [50364, 2555, 2845],
            "temperature": 0.0,
            "avg_logprob": -0.29,
            "compression_ratio": 0.9,
            "no_speech_prob": 0.01,
        }
    ],
    "words": [
        {"word": word, "start": round(0.4 * at, 2), "end": round(0.4 * at + 0.35, 2)}
        for at, word in enumerate(("Please", "send", "the", "report", "before", "Friday"))
    ],
    "usage": {"type": "duration", "seconds": 3},
}

# As OpenAI answers for a model that tells speakers; of the last words it isn't known who said them.
OPENAI_CALL: dict[str, Any] = {
    "task": "transcribe",
    "duration": 3.0,
    "text": "Did you get it? I did. Good.",
    "segments": [
        {"type": "transcript.text.segment", "id": f"seg_{start}", "start": start, "end": end, "text": text} | speaker
        for start, end, text, speaker in (
            (0.0, 1.5, " Did you get it?", {"speaker": "A"}),
            (1.7, 2.5, " I did.", {"speaker": "B"}),
            (2.6, 3.0, " Good.", dict[str, str]()),
        )
    ],
}

# As Deepgram answers with utterances and a detected language.
DEEPGRAM_WORDS = [
    {
        "word": word.strip(".").lower(),
        "punctuated_word": word,
        "start": round(0.4 * at, 2),
        "end": round(0.4 * at + 0.35, 2),
        "confidence": 0.99,
    }
    for at, word in enumerate(SAID.split())
]
DEEPGRAM_ANSWER: dict[str, Any] = {
    "metadata": {"request_id": "a1", "sha256": "…", "duration": 2.6, "channels": 1, "models": ["m"]},
    "results": {
        "channels": [
            {
                "alternatives": [{"transcript": SAID, "confidence": 0.99, "words": DEEPGRAM_WORDS}],
                "detected_language": "en",
                "language_confidence": 0.98,
            }
        ],
        "utterances": [
            {"start": 0.0, "end": 2.35, "confidence": 0.99, "channel": 0, "transcript": SAID, "words": DEEPGRAM_WORDS}
        ],
    },
}


@dataclass(frozen=True)
class Asked:
    """One request, as the service saw it."""

    headers: dict[str, str]
    fields: dict[str, list[str]]
    file_name: str
    file_type: str
    file_sha256: str
    body: Any = None


Answer = Callable[[Asked], Awaitable[Response]]


@dataclass
class Speaker:
    """A service that answers with what the test sets, and keeps what it was asked."""

    address: str = ""
    asked: list[Asked] = field(default_factory=list)
    answer: Answer | None = None

    async def openai(self, request: Request) -> Response:
        """POST /v1/audio/transcriptions."""
        async with request.form() as form:
            file = form["file"]
            assert isinstance(file, UploadFile)
            names = [name for name in form if name != "file"]
            asked = Asked(
                headers=dict(request.headers),
                fields={name: [str(value) for value in form.getlist(name)] for name in names},
                file_name=file.filename or "",
                file_type=file.content_type or "",
                file_sha256=await _sha256(file),
            )
        return await self._answered(asked, OPENAI_ANSWER)

    async def deepgram(self, request: Request) -> Response:
        """POST /v1/listen."""
        digest = hashlib.sha256()
        async for chunk in request.stream():
            digest.update(chunk)
        asked = Asked(
            headers=dict(request.headers),
            fields={name: request.query_params.getlist(name) for name in request.query_params},
            file_name="",
            file_type=request.headers["content-type"],
            file_sha256=digest.hexdigest(),
        )
        return await self._answered(asked, DEEPGRAM_ANSWER)

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions."""
        asked = Asked(dict(request.headers), {}, "", "", "", await request.json())
        return await self._answered(asked, {})

    async def _answered(self, asked: Asked, usual: dict[str, Any]) -> Response:
        self.asked.append(asked)
        return await self.answer(asked) if self.answer else JSONResponse(usual)


async def _sha256(file: UploadFile) -> str:
    digest = hashlib.sha256()
    while chunk := await file.read(1024 * 1024):
        digest.update(chunk)
    return digest.hexdigest()


@asynccontextmanager
async def speaking() -> AsyncIterator[Speaker]:
    """A service on a free port, until the block ends."""
    speaker = Speaker()
    routes = [
        Route("/v1/audio/transcriptions", speaker.openai, methods=["POST"]),
        Route("/v1/listen", speaker.deepgram, methods=["POST"]),
        Route("/v1/chat/completions", speaker.chat, methods=["POST"]),
    ]
    listener = socket.create_server(("127.0.0.1", 0))
    speaker.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(Starlette(routes=routes), log_config=None, lifespan="off"))
    async with served(server, listener):
        yield speaker
        server.force_exit = True


def replying(status: int, body: str, **headers: str) -> Answer:
    """An answer that is always the same."""

    async def answer(_asked: Asked) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Response(body, status, media_type="application/json", headers=named)

    return answer


Connection = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def breaking_off(connection: Connection) -> AsyncIterator[str]:
    """The address of a service below HTTP: it does with each connection what it is told, and then cuts it."""
    served: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await connection(reader, writer)
        writer.transport.abort()

    server = await asyncio.start_server(
        lambda reader, writer: served.append(asyncio.create_task(serve(reader, writer))), "127.0.0.1", 0
    )
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        await asyncio.gather(*served)
