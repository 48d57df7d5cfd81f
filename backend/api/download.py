"""A recording's bytes over HTTP. They are user content: never more than a file to save, whatever they hold."""

import re
import unicodedata
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.datastructures import Headers

from api.ranges import Span, asked_span, is_current
from audio.models import AudioFile
from storage.contract import Storage

_OWN_TYPE = re.compile(r"(?:audio|video)/[a-z0-9.+-]{1,80}")
_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")  # what RFC 9110's quoted-string would need a backslash for, or can't hold


async def download(recording: AudioFile, storage: Storage, *, request: Headers, with_body: bool) -> Response:
    """Answers a GET (or a HEAD, without body) for the bytes: 200, 206 or 304.

    Raises BytesMissing, or RangeNotSatisfiable.
    """
    size = await storage.size(recording.file_path)
    etag = f'"{recording.id}"'  # the bytes of a recording never change
    headers = _headers(recording, etag=etag)
    if is_current(request, etag=etag):
        return Response(status_code=304, headers=headers)
    span = asked_span(request, etag=etag, size_bytes=size) if with_body else None
    if span is not None:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    sent = span or Span(0, size)
    headers |= {"Content-Length": str(sent.stop - sent.start), "Content-Type": _content_type(recording)}
    status = 200 if span is None else 206
    if not with_body:
        return Response(status_code=status, headers=headers)
    return StreamingResponse(storage.read(recording.file_path, start=sent.start, stop=sent.stop), status, headers)


def _headers(recording: AudioFile, *, etag: str) -> dict[str, str]:
    return {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": content_disposition(recording.original_filename or recording.filename),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "Cross-Origin-Resource-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
    }


def _content_type(recording: AudioFile) -> str:
    """What recognition found; an old row may hold whatever a client once declared, and only audio is believed."""
    declared = (recording.mime_type or "").lower()
    return declared if _OWN_TYPE.fullmatch(declared) else "application/octet-stream"


def content_disposition(name: str) -> str:
    """Asks the browser to save the file under `name` (RFC 6266, 4.3), which is never a path."""
    printable = "".join(c for c in name if unicodedata.category(c) not in {"Cc", "Cs"})
    base = re.split(r"[/\\]", printable)[-1] or "recording"
    plain = _UNQUOTABLE.sub("_", base.replace("%", "_"))
    extended = "" if plain == base else f"; filename*=UTF-8''{quote(base, safe='')}"
    return f'attachment; filename="{plain}"{extended}'
