"""The objects of a bucket below a prefix, by blocking calls that raise StorageError.

Each request carries the SHA-256 of its bytes, which the object store compares: see docs/decisions/0009.
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
from storage.s3.error_mapping import SILENT, check_response, translated
from storage.s3.signature import Signer, query_string, quoted

ANSWER_SECONDS = 30
CONNECT_SECONDS = 3
RETRIES = 3
FIRST_PAUSE, LONGEST_PAUSE = timedelta(milliseconds=100), timedelta(seconds=1)
LISTED = 1000
_SERVER_ERROR = 500


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """The objects of `bucket` below `prefix`, which is empty or has no slash at its end."""

    bucket: str
    prefix: str
    endpoint: str
    signer: Signer
    answer_seconds: float = field(default=ANSWER_SECONDS)

    @cached_property
    def objects(self) -> S3Store:
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
        """Puts an object, over an existing one, and returns its ETag."""
        with translated():
            return _tag(obstore.put(self.objects, name, content, use_multipart=False)["e_tag"])

    def create(self, name: str, content: bytes | bytearray | memoryview) -> str:
        """Puts a new object, and returns its ETag. Raises NameTaken."""
        with translated():
            return _tag(obstore.put(self.objects, name, content, mode="create", use_multipart=False)["e_tag"])

    def renew(self, name: str, content: bytes | bytearray | memoryview, *, tag: str) -> str:
        """Replaces the object with this ETag, and returns the new ETag. Raises InUse where it has another, or none."""
        try:
            with translated():
                mode: obstore.UpdateVersion = {"e_tag": tag}
                return _tag(obstore.put(self.objects, name, content, mode=mode, use_multipart=False)["e_tag"])
        except BytesMissing as error:
            raise InUse from error

    def get(self, name: str) -> bytes:
        """All bytes of a small object. Raises BytesMissing."""
        with translated():
            return bytes(obstore.get(self.objects, name).bytes())

    def pieces(self, name: str, *, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Its bytes from `start` to `stop`, exclusive, in pieces of at most PIECE_BYTES. Raises BytesMissing."""
        with translated():
            options: obstore.GetOptions = {"range": {"offset": start} if stop is None else (start, stop)}
            try:
                result = obstore.get(self.objects, name, options=options if start or stop is not None else None)
            except GenericError as error:
                if start and "InvalidRange" in str(error):
                    return  # `start` is at the end or behind it
                raise
            for chunk in result.stream(min_chunk_size=PIECE_BYTES):
                view = memoryview(chunk)
                for at in range(0, len(view), PIECE_BYTES):
                    yield bytes(view[at : at + PIECE_BYTES])

    def head(self, name: str) -> "obstore.ObjectMeta":
        """An object's size, ETag and time of writing. Raises BytesMissing."""
        with translated():
            return obstore.head(self.objects, name)

    def delete(self, *names: str) -> None:
        """Removes objects; missing ones are no error."""
        if names:
            with translated():
                obstore.delete(self.objects, list(names))

    def copy(self, name: str, *, to: str) -> None:
        """Copies an object within the bucket, over an existing one. Raises BytesMissing."""
        with translated():
            obstore.copy(self.objects, name, to)

    def list(self, folder: str | None, *, after: str | None = None) -> "Iterator[Sequence[obstore.ObjectMeta]]":
        """The objects below a folder whose names sort after `after`, in the order of their names."""
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
        """Sends a signed request for an object, or for the bucket without a name, and returns the response's text.

        Raises NameTaken where a precondition isn't met, BytesMissing, or StorageUnavailable.
        """
        path = self.path(name)
        signed = self.signer.headers(method, host=self.host, path=path, query=query, content=content, more=headers)
        url = f"{self._origin}{quoted(path)}?{query_string(query)}"
        try:
            response = _client().request(method, url, headers=signed, content=content, timeout=self.answer_seconds)
        except httpx.HTTPError as error:
            if retries and isinstance(error, httpx.TransportError) and not isinstance(error, httpx.TimeoutException):
                return self.request(method, name, query=query, content=content, headers=headers, retries=retries - 1)
            raise StorageUnavailable(SILENT) from error
        if response.status_code >= _SERVER_ERROR and retries:
            return self.request(method, name, query=query, content=content, headers=headers, retries=retries - 1)
        check_response(response)
        return response.text

    def link(self, name: str, *, query: Mapping[str, str], expires_seconds: int) -> str:
        """A link that lets anybody read an object until it expires."""
        path = self.path(name)
        signed = self.signer.link_query(host=self.host, path=path, query=query, expires_seconds=expires_seconds)
        return f"{self._origin}{quoted(path)}?{signed}"

    def path(self, name: str | None) -> str:
        """The path of an object's URL, not yet quoted; without a name, the bucket's."""
        return "".join(f"/{part}" for part in (self.bucket, self.prefix, name) if part)

    @property
    def host(self) -> str:
        """The object store's host and port."""
        return urlsplit(self.endpoint).netloc

    @property
    def _origin(self) -> str:
        return f"{urlsplit(self.endpoint).scheme}://{self.host}"


def element_texts(xml: str, element: str) -> list[str]:
    """The texts of all elements of one name in an object store's response."""
    return [html.unescape(text) for text in re.findall(f"<{element}>(.*?)</{element}>", xml, re.DOTALL)]


def _tag(e_tag: str | None) -> str:
    if e_tag is None:
        raise StorageUnavailable("the object store tells no ETag")
    return e_tag


@cache
def _client() -> httpx.Client:
    """One client for all threads; it keeps connections open until the process ends."""
    client = httpx.Client(trust_env=False, timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS))
    atexit.register(client.close)
    return client
