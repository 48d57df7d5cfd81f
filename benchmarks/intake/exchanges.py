"""What a client says to a server, as prebuilt bytes around a file, for each way that a recording goes in or out.

An exchange is a generator: it yields what is to be sent, is handed the answer, and ends when the recording is through.
"""

from base64 import b64encode
from collections.abc import Callable, Generator
from dataclasses import dataclass

BOUNDARY = "pegasus-benchmark-0123456789abcdef"
PART_HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="take.wav"\r\n'
    "Content-Type: audio/wav\r\n\r\n"
).encode()
PART_TAIL = (
    f'\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name="tag"\r\n\r\nbenchmark\r\n--{BOUNDARY}--\r\n'
).encode()


@dataclass(frozen=True)
class Outgoing:
    """The bytes of a request: those before the file, the file itself if it is sent, those behind it."""

    head: bytes
    with_file: bool = False
    tail: bytes = b""


@dataclass(frozen=True)
class Answer:
    """What came back; `body` holds as much of it as fits beside the head."""

    status: int
    length: int
    location: str
    closes: bool
    body: bytes = b""

    @property
    def good(self) -> bool:
        """Whether the server took the request."""
        return 200 <= self.status < 300  # noqa: PLR2004  # RFC 9110, 15.3


@dataclass(frozen=True)
class Target:
    """Where an exchange goes: `%d` in `path` becomes the number of the exchange; `size` is the file's, in bytes."""

    port: int
    path: str
    size: int

    def head(self, method: str, path: str, *headers: str) -> bytes:
        """The head of a request."""
        return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", *headers, "", ""]).encode()


Exchange = Generator[Outgoing, Answer, None]
Way = Callable[[Target, int], Exchange]


def multipart(target: Target, _number: int) -> Exchange:
    """A form with the file first and then a field, as browsers and curl send it."""
    yield Outgoing(form_head(target), with_file=True, tail=PART_TAIL)


def form_head(target: Target) -> bytes:
    """Everything that goes before the file's bytes in a form."""
    length = len(PART_HEAD) + target.size + len(PART_TAIL)
    kind = f"Content-Type: multipart/form-data; boundary={BOUNDARY}"
    return target.head("POST", target.path, kind, f"Content-Length: {length}") + PART_HEAD


def put(target: Target, number: int) -> Exchange:
    """The bare bytes under a name that the client chooses (WebDAV)."""
    path = target.path.replace("%d", str(number))
    yield Outgoing(target.head("PUT", path, f"Content-Length: {target.size}"), with_file=True)


def tus(target: Target, _number: int) -> Exchange:
    """A resumable upload: creation, then everything in one PATCH (tus 1.0)."""
    created = yield Outgoing(target.head("POST", target.path, *creation(target), "Content-Length: 0"))
    if created.good:
        path = without_authority(created.location)
        head = target.head("PATCH", path, VERSION, BYTES, "Upload-Offset: 0", f"Content-Length: {target.size}")
        yield Outgoing(head, with_file=True)


def tus_in_one(target: Target, _number: int) -> Exchange:
    """A resumable upload whose creation brings everything (tus 1.0, creation-with-upload)."""
    head = target.head("POST", target.path, *creation(target), BYTES, f"Content-Length: {target.size}")
    yield Outgoing(head, with_file=True)


def creation(target: Target) -> list[str]:
    """The headers that create a resumable upload."""
    names = ", ".join(f"{name} {b64encode(value).decode()}" for name, value in METADATA.items())
    return [VERSION, f"Upload-Length: {target.size}", f"Upload-Metadata: {names}"]


VERSION, BYTES = "Tus-Resumable: 1.0.0", "Content-Type: application/offset+octet-stream"
METADATA = {"filename": b"take.wav", "filetype": b"audio/wav", "tag": b"benchmark"}


def without_authority(location: str) -> str:
    """The path in a Location header, which may be a whole address or begin with two slashes."""
    rest = location.partition("//")[2] if "//" in location else ""
    return f"/{rest.partition('/')[2]}" if rest else location


def get(target: Target, _number: int) -> Exchange:
    """A download of the whole."""
    yield Outgoing(target.head("GET", target.path))


WAYS: dict[str, Way] = {"multipart": multipart, "put": put, "tus": tus, "tus in one": tus_in_one, "get": get}
