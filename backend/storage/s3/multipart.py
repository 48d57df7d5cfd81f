"""One object made of several, within the object store: each is copied there as a part, and none passes through here.

A multipart upload that isn't completed holds bytes that no listing shows. Whatever fails aborts it; one that a killed
process left behind is found by its age.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import cache, partial

from storage.contract import StorageError, StorageUnavailable
from storage.s3.bucket import Bucket, told
from storage.s3.signature import quoted

COPIED_AT_ONCE = 8
_ONLY_NEW = {"if-none-match": "*"}


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(COPIED_AT_ONCE, thread_name_prefix="parts")


def assemble(bucket: Bucket, name: str, parts: Sequence[str], *, only_new: bool) -> None:
    """Makes one object of the `parts`, in this order, of which all but the last have 5 MiB or more.

    With `only_new` it raises NameTaken where something lies under that name. Raises StorageError.
    """
    upload_id = _only(told(bucket.request("POST", name, query={"uploads": ""}), "UploadId"))
    try:
        copied = _threads().map(partial(_copy, bucket, name, upload_id), range(1, len(parts) + 1), parts)
        tags = list(copied)
        bucket.request(
            "POST",
            name,
            query={"uploadId": upload_id},
            content=_completion(tags),
            headers=_ONLY_NEW if only_new else None,
            retries=0,
        )
    except BaseException:
        with suppress(StorageError):
            abort(bucket, name, upload_id)
        raise


def _copy(bucket: Bucket, name: str, upload_id: str, number: int, part: str) -> str:
    query = {"partNumber": str(number), "uploadId": upload_id}
    source = {"x-amz-copy-source": quoted(bucket.path(part))}
    return _only(told(bucket.request("PUT", name, query=query, headers=source), "ETag"))


def _completion(tags: Sequence[str]) -> bytes:
    parts = (f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in enumerate(tags, 1))
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def unfinished(bucket: Bucket) -> Iterator[tuple[str, str, datetime]]:
    """The name, the id and the beginning of each multipart upload that was neither completed nor aborted."""
    start = f"{bucket.prefix}/" if bucket.prefix else ""
    marker: dict[str, str] = {}
    while True:
        answer = bucket.request("GET", None, query={"uploads": "", "prefix": start, **marker})
        for upload in told(answer, "Upload"):
            key, upload_id = _only(told(upload, "Key")), _only(told(upload, "UploadId"))
            begun = datetime.fromisoformat(_only(told(upload, "Initiated")))
            yield key.removeprefix(start), upload_id, begun
        if told(answer, "IsTruncated") != ["true"]:
            return
        marker = {
            "key-marker": _only(told(answer, "NextKeyMarker")),
            "upload-id-marker": _only(told(answer, "NextUploadIdMarker")),
        }


def abort(bucket: Bucket, name: str, upload_id: str) -> None:
    """Ends a multipart upload and removes its parts; one that has ended is no error."""
    bucket.request("DELETE", name, query={"uploadId": upload_id})


def _only(texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise StorageUnavailable("the object store's answer can't be understood")
    return texts[0]
