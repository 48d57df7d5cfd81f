"""A recording that is a request's whole body, as audio/…; what its client says about it stands in the query."""

from collections.abc import Callable

from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request

from api.protocols.form_parts import extended_parameters
from audio.model.details import LABELS, Details, labels_among
from audio.model.duplicates import DUPLICATES
from storage.contract import Piece

PARAMETERS = frozenset({"filename", "user_id", DUPLICATES, *LABELS})
MEDIA_TYPES = ("audio/", "video/")  # many programs say video/ of what an audio format shares with it: mp4, webm


def is_raw(headers: Headers) -> bool:
    """Whether the body is the recording itself, by its Content-Type."""
    return headers.get("content-type", "").strip().lower().startswith(MEDIA_TYPES)


def details_of(request: Request) -> Details:
    """The query's filename, user_id and labels; without a filename that of Content-Disposition (RFC 6266)."""
    if not request.scope["query_string"] and "content-disposition" not in request.headers:
        return Details()
    query = request.query_params
    return Details(
        original_filename=query.get("filename") or _file_name(request.headers.get("content-disposition", "")),
        user_id=query.get("user_id"),
        labels=labels_among(query),
        duplicates=query.get(DUPLICATES),
    )


class RawUpload:
    """Passes a body on as it comes; in place of a form (`api.protocols.upload_form.UploadForm`)."""

    def __init__(self, request: Request) -> None:
        self._details = details_of(request)
        self._sink: Callable[[Piece], None] = lambda _piece: None

    def pass_file_on(self, sink: Callable[[Piece], None]) -> None:
        """Sets the sink of the bytes; to be called before `feed`."""
        self._sink = sink

    def feed(self, piece: Piece) -> None:
        """Raises what the sink raises."""
        self._sink(piece)

    def end(self) -> None:
        """To be called after the last byte."""

    def details(self) -> Details:
        """What the request says about its recording."""
        return self._details


def _file_name(disposition: str) -> str | None:
    """The file name of a Content-Disposition: filename* where there are both (RFC 6266, 4.3)."""
    raw = disposition.encode("latin-1")
    _, options = parse_options_header(raw)
    plain = options.get(b"filename", b"").decode(errors="replace")
    return extended_parameters(raw).get("filename", plain) or None
