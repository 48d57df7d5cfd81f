"""The requests to resumable uploads, and their checks against an upload."""

from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar
from uuid import uuid4

from audio.intake.incoming_upload import UploadEmpty, UploadTooLarge
from audio.intake.resumable.errors import LengthPassed, LengthRefused, OffsetMismatch
from audio.intake.resumable.repository import LIFETIME, Upload, UploadCreator
from audio.model.details import Details
from storage.contract import Piece

T = TypeVar("T")


class RequestBody(Protocol):
    """The body of a request (see `api.http1.request_body.Body`); `declared_bytes` is its length, where declared."""

    declared_bytes: int | None

    def pump(
        self, sink: Callable[[Piece], None], *, end: Callable[[], T], saving: bool = False
    ) -> Coroutine[Any, Any, T]:
        """Feeds the sink, and calls `end` after the last byte. When `saving`, it feeds what a broken body brought."""
        ...


@dataclass(frozen=True, kw_only=True)
class Checksum:
    """The digest that the bytes of a request must have; `algorithm` is hashlib's name for it."""

    algorithm: str
    digest: bytes


@dataclass(frozen=True, kw_only=True)
class NewUpload:
    """An upload to create; `length_bytes` is None where the client declares it later.

    `metadata` is what the client said about it as it was sent, to be given back.
    `digests` are those of the whole upload, by SHA-256 or SHA-512. `finishes_at_length`: see `Upload`.
    """

    details: Details
    file_type: str | None
    length_bytes: int | None
    creator: UploadCreator
    metadata: str | None = None
    digests: Sequence[Checksum] = ()
    finishes_at_length: bool = True

    def whole(self) -> Upload:
        """The upload that this is, once one request has brought all of its bytes."""
        now = datetime.now(UTC)
        return Upload(
            id=uuid4(),
            details=self.details,
            file_type=self.file_type,
            metadata=self.metadata,
            length_bytes=self.length_bytes,
            created_at=now,
            expires_at=now + LIFETIME,
            recording_id=None,
            finishes_at_length=True,
            sha256=None,
            sha512=None,
        )


@dataclass(frozen=True, kw_only=True)
class AppendRequest:
    """Bytes to append at `offset`. `length_bytes` is the length of the whole upload, where it is declared now.

    `ends_upload`: whether the upload ends with these bytes; None: once it has its length. `checksums` are of these
    bytes, `digests` of the whole upload. `may_repeat`: whether an upload that has ended already answers this request as
    its last one. `on_locked` is called once no other request can come before these bytes; `on_progress`, in a thread,
    with sizes of the upload that are durable.
    """

    body: RequestBody
    offset: int = 0
    length_bytes: int | None = None
    checksums: Sequence[Checksum] = ()
    ends_upload: bool | None = None
    digests: Sequence[Checksum] = ()
    may_repeat: bool = True
    on_locked: Callable[[Upload], None] | None = None
    on_progress: Callable[[int], None] | None = None

    def is_whole(self, new: "NewUpload") -> bool:
        """Whether this request declares to bring all bytes of a new upload, and nothing to check them by."""
        return (
            new.length_bytes is not None
            and new.length_bytes == self.body.declared_bytes
            and new.finishes_at_length
            and not (self.checksums or self.digests or new.digests)
        )

    @property
    def declared_end(self) -> int:
        """The upload's size after this request, as far as the body's length is declared."""
        return self.offset + (self.body.declared_bytes or 0)

    def changes(self, upload: Upload) -> dict[str, Any]:
        """The values of the upload's row that this request changes."""
        declared = {
            "length_bytes": self.length_bytes,
            "finishes_at_length": self.ends_upload is not False,
            **{digest.algorithm: digest.digest for digest in self.digests},
        }
        return {name: value for name, value in declared.items() if value not in {None, getattr(upload, name)}}

    def check(self, upload: Upload, *, size_bytes: int, limit_bytes: int) -> None:
        """Checks the request against an upload that has `size_bytes`, before its body is read.

        Raises OffsetMismatch, LengthRefused, LengthPassed, UploadEmpty or UploadTooLarge.
        """
        if self.offset != size_bytes:
            raise OffsetMismatch(offset=size_bytes)
        check_length(self.length_bytes, limit_bytes=limit_bytes)
        if upload.length_bytes is not None and self.length_bytes not in {None, upload.length_bytes}:
            raise LengthRefused("was already said, and stays")
        if self.length_bytes is not None and self.length_bytes < self.offset:
            raise LengthRefused("is less than what is there")
        length = upload.length_bytes or self.length_bytes
        if length is not None and self.declared_end > length:
            raise LengthPassed(limit=length, received=self.declared_end)
        if self.declared_end > limit_bytes:
            raise UploadTooLarge(limit=limit_bytes, received=self.declared_end)


def check_length(length_bytes: int | None, *, limit_bytes: int) -> None:
    """Checks the declared length of an upload. Raises UploadEmpty or UploadTooLarge."""
    if length_bytes == 0:
        raise UploadEmpty
    if length_bytes is not None and length_bytes > limit_bytes:
        raise UploadTooLarge(limit=limit_bytes, received=length_bytes)
