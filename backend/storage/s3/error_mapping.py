"""What an object store refuses, as the StorageError that it means: without an address, a key or a name."""

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
    """Turns what obstore raises inside the block into the StorageError that it means."""
    try:
        yield
    except (BaseError, OSError) as error:
        raise _meaning(error) from error


def _meaning(error: Exception) -> StorageError:
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


def check_answer(answer: httpx.Response) -> None:
    """Raises what an answer means. One with status 200 may hold an error all the same, where it took long."""
    failed = "<Error>" in answer.text
    if answer.is_success and not failed:
        return
    if answer.status_code == _PRECONDITION_FAILED or "PreconditionFailed" in answer.text:
        raise NameTaken
    if answer.status_code == _FORBIDDEN:
        raise StorageUnavailable(_REFUSED)
    if "NoSuchBucket" in answer.text:
        raise StorageUnavailable(_NO_BUCKET)
    if answer.status_code == _MISSING:
        raise BytesMissing
    raise StorageUnavailable(SILENT)
