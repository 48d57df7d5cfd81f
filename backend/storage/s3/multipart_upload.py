"""Joins several objects to one by a multipart upload, whose parts the object store copies itself.

An unfinished multipart upload holds bytes that no listing shows. Every error aborts it; one that a killed process left
behind is removed by its age.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial

from storage.contract import StorageError, StorageUnavailable
from storage.s3.bucket import Bucket, element_texts
from storage.s3.signature import quoted
from storage.threads import thread_pool

PARALLEL_COPIES = 8
_ONLY_NEW = {"if-none-match": "*"}


def assemble(bucket: Bucket, name: str, parts: Sequence[str], *, only_new: bool) -> None:
    """Joins the objects `parts` in this order; all but the last have 5 MiB or more.

    With `only_new` raises NameTaken for an existing object. Raises StorageError.
    """
    upload_id = _only(element_texts(bucket.request("POST", name, query={"uploads": ""}), "UploadId"))
    try:
        copy = partial(_copy, bucket, name, upload_id)
        tags = list(thread_pool("parts", PARALLEL_COPIES).map(copy, range(1, len(parts) + 1), parts))
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
    return _only(element_texts(bucket.request("PUT", name, query=query, headers=source), "ETag"))


def _completion(tags: Sequence[str]) -> bytes:
    parts = (f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in enumerate(tags, 1))
    return f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>".encode()


def unfinished(bucket: Bucket) -> Iterator[tuple[str, str, datetime]]:
    """The name, id and start time of each multipart upload that was neither completed nor aborted."""
    prefix = f"{bucket.prefix}/" if bucket.prefix else ""
    marker: dict[str, str] = {}
    while True:
        response = bucket.request("GET", None, query={"uploads": "", "prefix": prefix, **marker})
        for upload in element_texts(response, "Upload"):
            key, upload_id = _only(element_texts(upload, "Key")), _only(element_texts(upload, "UploadId"))
            initiated = datetime.fromisoformat(_only(element_texts(upload, "Initiated")))
            yield key.removeprefix(prefix), upload_id, initiated
        if element_texts(response, "IsTruncated") != ["true"]:
            return
        marker = {
            "key-marker": _only(element_texts(response, "NextKeyMarker")),
            "upload-id-marker": _only(element_texts(response, "NextUploadIdMarker")),
        }


def abort(bucket: Bucket, name: str, upload_id: str) -> None:
    """Aborts a multipart upload and removes its parts; one that has ended already is no error."""
    bucket.request("DELETE", name, query={"uploadId": upload_id})


def _only(texts: Sequence[str]) -> str:
    if len(texts) != 1:
        raise StorageUnavailable("the object store's answer can't be understood")
    return texts[0]
