"""A recording's bytes over HTTP. As user content they are only ever sent as an attachment, without rights."""

import os
import re
import unicodedata
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from io import FileIO
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from api.http1.direct_connection import direct_connection
from api.protocols.digests import repr_digest
from api.protocols.ranges import Span, check_if_match, is_current, requested_span
from audio.model.audio_file import AudioFile
from audio.model.manifest import read_manifest
from audio.processing.results import playback_of
from storage.contract import PIECE_BYTES, BytesMissing, OpensLocally, SignsDownloads, Storage, StorageError
from storage.threads import in_thread

ONE_PIECE_BYTES = 128 * 1024  # less is sent together with the head
_OWN_TYPE = re.compile(r"(?:audio|video)/[a-z0-9.+-]{1,80}")
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")  # characters that a quoted-string (RFC 9110) must escape or can't contain


@dataclass(frozen=True, kw_only=True)
class Downloadable:
    """A file to download: its name in storage, its type, and the file name for the client."""

    name: str
    content_type: str
    file_name: str
    etag: str
    sha256: str | None = None


async def sha256_of(recording: AudioFile, storage: Storage) -> str | None:
    """The SHA-256 of a recording's bytes, in hexadecimal, where its manifest has one."""
    try:
        return (await read_manifest(storage, recording.file_path)).sha256
    except (StorageError, ValueError):
        return None


async def original(recording: AudioFile, storage: Storage) -> Downloadable:
    """A stored recording's bytes as they were uploaded."""
    sha256 = recording.sha256.hex() if recording.sha256 else await sha256_of(recording, storage)
    return Downloadable(
        name=recording.file_path,
        content_type=_content_type(recording),
        file_name=recording.original_filename or recording.filename,
        etag=f'"{recording.id}"',  # the bytes of a recording never change
        sha256=sha256,
    )


async def playable(recording: AudioFile, storage: Storage) -> Downloadable:
    """What browsers can play and seek in of a stored recording: often the original. Raises PlaybackNotReady."""
    variant = await playback_of(recording, storage)
    if variant is None:
        return await original(recording, storage)
    base = (recording.original_filename or recording.filename).rpartition(".")[0] or "recording"
    return Downloadable(
        name=variant.name,
        content_type=variant.mime_type,
        file_name=f"{base}.{variant.extension}",
        etag=f'"{recording.id}.{variant.extension}"',
    )


async def download(file: Downloadable, storage: Storage, *, request: Headers, with_body: bool) -> Response:
    """The response to a GET (or a HEAD, without body) for the bytes: 200, 206 or 304.

    Raises BytesMissing, PreconditionFailed or RangeNotSatisfiable.
    """
    with ExitStack() as stack:
        content: FileIO | None = None
        if with_body and isinstance(storage, OpensLocally):
            content = stack.enter_context(await storage.open_locally(file.name))
        size = os.fstat(content.fileno()).st_size if content else await storage.size(file.name)
        headers = _headers(file) | (repr_digest(file.sha256) if file.sha256 else {})
        check_if_match(request, etag=file.etag)
        if is_current(request, etag=file.etag):
            return Response(status_code=304, headers=headers)
        span = requested_span(request, etag=file.etag, size_bytes=size) if with_body else None
        if span is not None:
            headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        part = span or Span(0, size)
        headers |= {"Content-Length": str(part.stop - part.start), "Content-Type": file.content_type}
        status = 200 if span is None else 206
        if not with_body:
            return Response(status_code=status, headers=headers)
        stack.pop_all()
    if content is None:
        pieces = storage.read(file.name, start=part.start, stop=part.stop)
        return StreamingResponse(pieces, status, headers)
    return FileBytes(content, part, status, headers)


async def redirection(file: Downloadable, storage: Storage) -> Response | None:
    """A redirect to a signed link of the storage's; None where the driver can't sign. Raises BytesMissing."""
    if not isinstance(storage, SignsDownloads):
        return None
    await storage.size(file.name)
    disposition = content_disposition(file.file_name)
    link = storage.link(file.name, content_type=file.content_type, content_disposition=disposition)
    return Response(status_code=307, headers={"Location": link, "Cache-Control": "no-store"})


class FileBytes(Response):
    """A response whose body is a span of a file, which it closes: in one piece, or sent by sendfile(2)."""

    def __init__(self, file: FileIO, span: Span, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._file = file
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises BytesMissing before anything is sent."""
        with self._file:
            start, count = self._span.start, self._span.stop - self._span.start
            head = {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
            if count <= ONE_PIECE_BYTES:
                body = await in_thread(partial(os.pread, self._file.fileno(), count, start))
                if len(body) < count:
                    raise BytesMissing
                await send(head)
                await send({"type": "http.response.body", "body": body})
            elif (connection := direct_connection(scope)) is None:
                pieces = _pieces(self._file.fileno(), start=start, count=count)
                await StreamingResponse(pieces, self.status_code, self.headers)(scope, receive, send)
            else:
                with connection.duplicate_socket() as sock:
                    await send(head)
                    if await connection.send_file(sock, self._file.fileno(), start=start, count=count):
                        await send({"type": "http.response.body", "body": b""})
                    else:
                        await receive()  # http.disconnect


async def _pieces(descriptor: int, *, start: int, count: int) -> AsyncGenerator[bytes]:
    while piece := await in_thread(partial(os.pread, descriptor, min(count, PIECE_BYTES), start)):
        start, count = start + len(piece), count - len(piece)
        yield piece


def _headers(file: Downloadable) -> dict[str, str]:
    return {
        "ETag": file.etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": content_disposition(file.file_name),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _content_type(recording: AudioFile) -> str:
    """The recognised type; an old row may hold a client's own, which counts only if it is audio or video."""
    declared = (recording.mime_type or "").lower()
    return declared if _OWN_TYPE.fullmatch(declared) else "application/octet-stream"


def content_disposition(name: str) -> str:
    """The header value that makes a browser save the file under `name` (RFC 6266, 4.3), without any path."""
    printable = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cs"})
    base = re.split(r"[/\\]", printable)[-1] or "recording"
    plain = _UNQUOTABLE.sub("_", base.replace("%", "_"))
    extended = "" if plain == base else f"; filename*=UTF-8''{quote(base, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
