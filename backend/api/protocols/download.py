"""A recording's bytes over HTTP. As user content they are only ever sent as an attachment, without rights."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from api.http1.direct_connection import direct_connection
from api.protocols.digests import repr_digest
from api.protocols.ranges import Span, is_current, requested_span
from audio.model.audio_file import AudioFile
from audio.model.manifest import read_manifest
from audio.processing.results import playback_of
from storage.contract import OpensLocally, SignsDownloads, Storage, StorageError

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


async def original(recording: AudioFile, storage: Storage) -> Downloadable:
    """A recording's bytes as they were uploaded."""
    try:
        sha256 = (await read_manifest(storage, recording.file_path)).sha256
    except (StorageError, ValueError):
        sha256 = None
    return Downloadable(
        name=recording.file_path,
        content_type=_content_type(recording),
        file_name=recording.original_filename or recording.filename,
        etag=f'"{recording.id}"',  # the bytes of a recording never change
        sha256=sha256,
    )


async def playable(recording: AudioFile, storage: Storage) -> Downloadable:
    """A variant that browsers can play and seek in: often the original. Raises PlaybackNotReady."""
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

    Raises BytesMissing or RangeNotSatisfiable.
    """
    size = await storage.size(file.name)
    etag = file.etag
    headers = _headers(file) | (repr_digest(file.sha256) if file.sha256 else {})
    if is_current(request, etag=etag):
        return Response(status_code=304, headers=headers)
    span = requested_span(request, etag=etag, size_bytes=size) if with_body else None
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    part = span or Span(0, size)
    headers |= {"Content-Length": str(part.stop - part.start), "Content-Type": file.content_type}
    status = 200 if span is None else 206
    if not with_body:
        return Response(status_code=status, headers=headers)
    return StoredBytes(storage, file.name, part, status, headers)


async def redirection(file: Downloadable, storage: Storage) -> Response | None:
    """A redirect to a signed link of the storage's; None where the driver can't sign. Raises BytesMissing."""
    if not isinstance(storage, SignsDownloads):
        return None
    await storage.size(file.name)
    disposition = content_disposition(file.file_name)
    link = storage.link(file.name, content_type=file.content_type, content_disposition=disposition)
    return Response(status_code=307, headers={"Location": link, "Cache-Control": "no-store"})


class StoredBytes(Response):
    """A response whose body is a span of stored bytes, sent by sendfile(2) if possible, else in pieces."""

    def __init__(self, storage: Storage, name: str, span: Span, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(status_code=status, headers=headers)
        self._storage = storage
        self._name = name
        self._span = span

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises BytesMissing before anything is sent."""
        connection = direct_connection(scope)
        if connection is None or not isinstance(self._storage, OpensLocally):
            pieces = self._storage.read(self._name, start=self._span.start, stop=self._span.stop)
            await StreamingResponse(pieces, self.status_code, self.headers)(scope, receive, send)
            return
        with await self._storage.open_locally(self._name) as file, connection.duplicate_socket() as sock:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            span = self._span
            if await connection.send_file(sock, file.fileno(), start=span.start, count=span.stop - span.start):
                await send({"type": "http.response.body", "body": b""})
            else:
                await receive()  # http.disconnect


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
