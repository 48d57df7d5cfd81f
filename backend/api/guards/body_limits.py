"""Limits the declared length of a request's body, before it is read."""

from dataclasses import dataclass

from starlette.datastructures import Headers

from audio.intake.incoming_upload import UploadTooLarge
from core.errors import PegasusError


class BodyTooLarge(PegasusError):
    def __init__(self, *, limit: int, received: int) -> None:
        super().__init__(f"The body has {received} bytes, and at most {limit} are read.")
        self.limit = limit
        self.received = received


@dataclass(frozen=True, kw_only=True)
class BodyLimits:
    """The largest bodies in bytes: of a file, of a form's overhead on `form_path`, and of any other request.

    `bytes_path` and the paths below it take the bytes of a file alone.
    """

    form_path: str
    bytes_path: str
    file_bytes: int
    form_bytes: int
    other_bytes: int

    def check(self, path: str, headers: Headers) -> None:
        """Raises UploadTooLarge or BodyTooLarge."""
        text = headers.get("content-length", "")
        declared = int(text) if text.isdecimal() else 0
        if not self.is_upload(path):
            if declared > self.other_bytes:
                raise BodyTooLarge(limit=self.other_bytes, received=declared)
        elif declared > self.file_bytes + (self.form_bytes if path == self.form_path else 0):
            raise UploadTooLarge(limit=self.file_bytes, received=declared)

    def is_upload(self, path: str) -> bool:
        """Whether requests to that path carry a file."""
        return path in {self.form_path, self.bytes_path} or path.startswith(f"{self.bytes_path}/")
