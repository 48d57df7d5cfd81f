"""Which protocol of resumable uploads a request speaks: tus, or the IETF's draft."""

from starlette.datastructures import Headers

UPLOADS_PATH = "/api/uploads"
VERSION_FIELD = "Upload-Draft-Interop-Version"


def is_of_uploads(path: str) -> bool:
    """Whether a path is that of resumable uploads, or of one of them."""
    return path == UPLOADS_PATH or path.startswith(f"{UPLOADS_PATH}/")


def speaks_rufh(headers: Headers) -> bool:
    """Whether a request speaks the draft: it names a version, or says whether its upload is complete, and isn't tus."""
    return "tus-resumable" not in headers and (VERSION_FIELD in headers or "upload-complete" in headers)
