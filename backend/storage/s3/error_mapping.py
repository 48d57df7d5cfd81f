"""Maps an object store's errors to StorageError, without an address, a key or a name in the message."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from storage.contract import BytesMissing, InUse, NameTaken, StorageError, StorageUnavailable

_REFUSED = "the object store refuses AWS_ACCESS_KEY_ID with its secret, or has no such bucket for it"
_NO_BUCKET = "the bucket doesn't exist"
SILENT = "the object store doesn't answer, or answers with an error"
_FORBIDDEN = 403
_MISSING = 404
_PRECONDITION_FAILED = 412


@contextmanager
def translated() -> Iterator[None]:
    """Raises obstore's errors of the block as StorageError."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise _storage_error(error) from error


def _storage_error(error: Exception) -> StorageError:
    text = str(error)
    if isinstance(error, AlreadyExistsError):
        return NameTaken()
    if isinstance(error, PreconditionError):
        return InUse()
    if isinstance(error, (PermissionDeniedError, UnauthenticatedError)) or " 403 Forbidden" in text:
        return StorageUnavailable(_REFUSED)
    if "NoSuchBucket" in text:
        return StorageUnavailable(_NO_BUCKET)
    if isinstance(error, FileNotFoundError):
        return BytesMissing()
    return StorageUnavailable(SILENT)


def check_response(response: httpx.Response) -> None:
    """Raises the StorageError of a failed request; S3 may send an error with status 200, after a long request."""
    failed = "<Error>" in response.text
    if response.is_success and not failed:
        return
    if response.status_code == _PRECONDITION_FAILED or "PreconditionFailed" in response.text:
        raise NameTaken
    if response.status_code == _FORBIDDEN:
        raise StorageUnavailable(_REFUSED)
    if "NoSuchBucket" in response.text:
        raise StorageUnavailable(_NO_BUCKET)
    if response.status_code == _MISSING:
        raise BytesMissing
    raise StorageUnavailable(SILENT)
