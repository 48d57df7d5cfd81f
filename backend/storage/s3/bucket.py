"""One place in a bucket: its objects, by blocking calls, with what goes wrong told as the StorageError that it means.

The bytes of each request bear their SHA-256, which the object store compares: see docs/decisions/0009.
"""

import atexit
import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, cached_property
from urllib.parse import urlsplit

import httpx
import obstore
from obstore.exceptions import GenericError
from obstore.store import S3Store

from storage.contract import PIECE_BYTES, BytesMissing, InUse, StorageUnavailable
from storage.s3.error_mapping import SILENT, check_answer, translated
from storage.s3.signature import Signer, query_string, quoted

ANSWER_SECONDS = 30
CONNECT_SECONDS = 3
RETRIES = 3
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=1)
LISTED = 1000
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The objects of `bucket` whose keys begin with `prefix`; it is empty, or ends without a slash."""

    bucket: str
    prefix: str
    endpoint: str
    signer: Signer
    answer_seconds: float = field(default=ANSWER_SECONDS)

    @cached_property
    def objects(self) -> S3Store:
        """What obstore knows of it."""
        return S3Store(
            self.bucket,
            prefix=self.prefix or None,
            config={
                "endpoint": self.endpoint,
                "region": self.signer.region,
                "access_key_id": self.signer.key_id,
                "secret_access_key": self.signer.secret,
                "checksum_algorithm": "sha256",
                "disable_bulk_delete": True,
                "virtual_hosted_style_request": False,
                **({"session_token": self.signer.session_token} if self.signer.session_token else {}),
            },
            client_options={
                "allow_http": self.endpoint.startswith("http://"),
                "timeout": timedelta(seconds=self.answer_seconds),
                "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            },
            retry_config={
                "max_retries": RETRIES,
                "retry_timeout": timedelta(seconds=self.answer_seconds),
                "backoff": {"init_backoff": FIRST_PAUSE, "max_backoff": LONGEST_PAUSE, "base": 2},
            },
        )

    def put(self, name: str, content: bytes | bytearray | memoryview) -> str:
        """Puts an object in place of what may lie there, and returns its tag."""
        with translated():
            return _tag(obstore.put(self.objects, name, content, use_multipart=False)["e_tag"])

    def create(self, name: str, content: bytes | bytearray | memoryview) -> str:
        """Puts an object where nothing lies. Raises NameTaken."""
        with translated():
            return _tag(obstore.put(self.objects, name, content, mode="create", use_multipart=False)["e_tag"])

    def renew(self, name: str, content: bytes | bytearray | memoryview, *, tag: str) -> str:
        """Puts an object in place of the one that bears the tag. Raises InUse where another one lies there, or none."""
        try:
            with translated():
                mode: obstore.UpdateVersion = {"e_tag": tag}
                return _tag(obstore.put(self.objects, name, content, mode=mode, use_multipart=False)["e_tag"])
        except BytesMissing as error:
            raise InUse from error

    def get(self, name: str) -> bytes:
        """A small object whole. Raises BytesMissing."""
        with translated():
            return bytes(obstore.get(self.objects, name).bytes())

    def pieces(self, name: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` up to but without `stop`, in pieces of at most PIECE_BYTES. Raises BytesMissing."""
        with translated():
            wanted: obstore.GetOptions = {"range": {"offset": start} if stop is None else (start, stop)}
            try:
                found = obstore.get(self.objects, name, options=wanted if start or stop is not None else None)
            except GenericError as error:
                if start and "InvalidRange" in str(error):
                    return  # nothing lies behind the end
                raise
            for chunk in found.stream(min_chunk_size=PIECE_BYTES):
                view = memoryview(chunk)
                for at in range(0, len(view), PIECE_BYTES):
                    yield bytes(view[at : at + PIECE_BYTES])

    def head(self, name: str) -> "obstore.ObjectMeta":
        """What is known of an object: size, tag, and when it was written. Raises BytesMissing."""
        with translated():
            return obstore.head(self.objects, name)

    def delete(self, *names: str) -> None:
        """Removes objects; what isn't there is no error."""
        if names:
            with translated():
                obstore.delete(self.objects, list(names))

    def copy(self, name: str, *, to: str) -> None:
        """Copies an object within the bucket, over what may lie there. Raises BytesMissing."""
        with translated():
            obstore.copy(self.objects, name, to)

    def list(self, folder: str | None, *, after: str | None = None) -> "Iterator[Sequence[obstore.ObjectMeta]]":
        """All objects below a folder, by their names: those behind `after`."""
        with translated():
            yield from obstore.list(self.objects, folder, offset=after, chunk_size=LISTED)

    def request(
        self,
        method: str,
        name: str | None,
        *,
        query: Mapping[str, str],
        content: bytes = b"",
        headers: Mapping[str, str] | None = None,
        retries: int = RETRIES,
    ) -> str:
        """Sends a request about an object, or the bucket where there is no name, and returns the answer's text.

        Raises NameTaken where a precondition isn't met, BytesMissing, or StorageUnavailable.
        """
        path = self.path(name)
        signed = self.signer.headers(method, host=self.host, path=path, query=query, content=content, more=headers)
        url = f"{self._origin}{quoted(path)}?{query_string(query)}"
        try:
            answer = _client().request(method, url, headers=signed, content=content, timeout=self.answer_seconds)
        except httpx.HTTPError as error:
            if retries and isinstance(error, httpx.TransportError) and not isinstance(error, httpx.TimeoutException):
                return self.request(method, name, query=query, content=content, headers=headers, retries=retries - 1)
            raise StorageUnavailable(SILENT) from error
        if answer.status_code >= _SERVER_ERROR and retries:
            return self.request(method, name, query=query, content=content, headers=headers, retries=retries - 1)
        check_answer(answer)
        return answer.text

    def link(self, name: str, *, query: Mapping[str, str], expires_seconds: int) -> str:
        """A link that lets anybody read an object, for that long."""
        path = self.path(name)
        signed = self.signer.link_query(host=self.host, path=path, query=query, expires_seconds=expires_seconds)
        return f"{self._origin}{quoted(path)}?{signed}"

    def path(self, name: str | None) -> str:
        """The path of an object's address, not yet quoted; that of the bucket without a name."""
        return "".join(f"/{part}" for part in (self.bucket, self.prefix, name) if part)

    @property
    def host(self) -> str:
        """Where the object store answers."""
        return urlsplit(self.endpoint).netloc

    @property
    def _origin(self) -> str:
        return f"{urlsplit(self.endpoint).scheme}://{self.host}"


def told(answer: str, element: str) -> list[str]:
    """The texts of all elements of one name in an object store's XML."""
    return [html.unescape(text) for text in re.findall(f"<{element}>(.*?)</{element}>", answer, re.DOTALL)]


def _tag(told_tag: str | None) -> str:
    if told_tag is None:
        raise StorageUnavailable("the object store tells no ETag")
    return told_tag


@cache
def _client() -> httpx.Client:
    """One for the process: it may be used by all threads, and keeps connections open until the process ends."""
    client = httpx.Client(trust_env=False, timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
    atexit.register(client.close)
    return client
