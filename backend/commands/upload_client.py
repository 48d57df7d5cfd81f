"""Uploads a file to a server, once and whole: a small one as a form, a large one by tus 1.0, which outlives a break.

A form has its digest as its Idempotency-Key. The address of an unfinished large upload is remembered beside its digest,
so that another run goes on with it.
"""

import hashlib
import json
import os
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from core.errors import PegasusError

FORM_BYTES = 4 * 1024 * 1024
PIECE_BYTES = 1024 * 1024
PATIENCE_SECONDS = 120.0  # without a byte that arrives
LONGEST_PAUSE_SECONDS = 15.0
PASSING = {408, 423, 425, 429, 500, 502, 503, 504}
TAKEN_OVER = {409}  # by another request of the same upload: how far it is has to be asked again
GONE = {403, 404, 410}
ONCE = {"duplicates": "return"}  # also where two of these run at once
TUS = {"Tus-Resumable": "1.0.0"}
Progress = Callable[[int], object]


class UploadRefused(PegasusError):
    """The server has refused a request; `passes` says whether it may take the same one later."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.passes = status in PASSING


class ServerUnreachable(PegasusError):
    passes = True

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"{address} doesn't answer: {reason}.")


class FileChanged(PegasusError):
    message = "It changes while it is read."


@dataclass(frozen=True)
class LocalFile:
    """A file with the digest of its bytes, as it was when they were read."""

    path: Path
    size: int
    modified_ns: int
    sha256: str

    @classmethod
    def read(cls, path: Path) -> "LocalFile":
        """Reads a file. Raises OSError or FileChanged."""
        before = path.stat()
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        whole = cls(path, before.st_size, before.st_mtime_ns, digest)
        whole.check_unchanged()
        return whole

    def check_unchanged(self) -> None:
        """Raises FileChanged or OSError."""
        status = self.path.stat()
        if (status.st_size, status.st_mtime_ns) != (self.size, self.modified_ns):
            raise FileChanged


@dataclass(frozen=True)
class UnfinishedUploads:
    """The addresses of uploads that were begun, by the digest of their file, in a file of this user's."""

    path: Path

    def find(self, sha256: str) -> str | None:
        """The address of an upload."""
        return self._read().get(sha256)

    def remember(self, sha256: str, address: str | None) -> None:
        """Remembers an upload's address, or forgets it."""
        addresses = {key: value for key, value in self._read().items() if key != sha256}
        if address is not None:
            addresses[sha256] = address
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        new.write_text(json.dumps(addresses, indent=1), encoding="utf-8")
        new.replace(self.path)

    def _read(self) -> dict[str, str]:
        with suppress(OSError, ValueError):
            content = json.loads(self.path.read_text(encoding="utf-8"))
            return dict(content) if isinstance(content, dict) else {}
        return {}


@dataclass(frozen=True, kw_only=True)
class UploadClient:
    """A server, the labels of what is uploaded to it, and the memory of what isn't finished."""

    http: httpx.Client
    unfinished: UnfinishedUploads
    labels: Mapping[str, str] = field(default_factory=dict)

    def find(self, file: LocalFile) -> str | None:
        """The id of a recording with the same bytes that is there already. Raises as `upload`."""
        page = self._request("GET", "/api/audio/", params={"sha256": file.sha256, "limit": 1}).json()
        return str(page["items"][0]["id"]) if page["items"] else None

    def upload(self, file: LocalFile, *, progress: Progress) -> str:
        """Uploads a file, and returns its recording's id. `progress` is called with how many bytes have arrived.

        Raises UploadRefused, ServerUnreachable, FileChanged or OSError.
        """
        return self._upload_form(file) if file.size <= FORM_BYTES else self._upload_resumably(file, progress)

    def _upload_form(self, file: LocalFile) -> str:
        content = file.path.read_bytes()
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise FileChanged
        key = {"Idempotency-Key": f"sha256-{file.sha256}"}
        files = {"file": (file.path.name, content, "application/octet-stream")}
        fields = {**self.labels, **ONCE}
        recording = self._request("POST", "/api/audio/upload", data=fields, files=files, headers=key).json()
        return str(recording["id"])

    def _upload_resumably(self, file: LocalFile, progress: Progress) -> str:
        address = self.unfinished.find(file.sha256)
        state = (address and self._state(address)) or None
        if address is None or state is None:
            address, state = self._create(file), _State(0, None)
        try:
            recording_id = self._append_all(address, state, file, progress)
        except UploadRefused as error:
            if not error.passes:
                self.unfinished.remember(file.sha256, None)
            raise
        self.unfinished.remember(file.sha256, None)
        return recording_id

    def _append_all(self, address: str, state: "_State", file: LocalFile, progress: Progress) -> str:
        deadline = _Deadline()
        while state.recording_id is None:
            try:
                recording_id = self._append(address, file, state.offset, progress)
            except (ServerUnreachable, UploadRefused) as error:
                if not error.passes and not (isinstance(error, UploadRefused) and error.status in TAKEN_OVER):
                    raise
                deadline.pause(error)
            else:
                if recording_id is not None:
                    return recording_id
            before, now = state, self._state(address)
            if now is None:
                raise UploadRefused(404, "The server has removed the upload meanwhile.")
            state = now
            deadline = _Deadline() if state.offset > before.offset else deadline
        return state.recording_id

    def _create(self, file: LocalFile) -> str:
        metadata = {"filename": file.path.name, **self.labels, **ONCE}
        words = ",".join(f"{name} {b64encode(text.encode()).decode()}" for name, text in metadata.items())
        headers = TUS | {"Upload-Length": str(file.size), "Upload-Metadata": words}
        address = str(self._request("POST", "/api/uploads", headers=headers).headers["location"])
        self.unfinished.remember(file.sha256, address)
        return address

    def _state(self, address: str) -> "_State | None":
        """What has become of an upload; None where the server has none at that address."""
        try:
            headers = self._request("HEAD", address, headers=TUS).headers
        except UploadRefused as error:
            if error.status in GONE:
                return None
            raise
        return _State(int(headers["upload-offset"]), headers.get("upload-recording-id"))

    def _append(self, address: str, file: LocalFile, offset: int, progress: Progress) -> str | None:
        headers = TUS | {"Content-Type": "application/offset+octet-stream", "Upload-Offset": str(offset)}
        headers["Content-Length"] = str(file.size - offset)
        with file.path.open("rb") as opened:
            opened.seek(offset)
            response = self._send("PATCH", address, headers=headers, content=_pieces(opened, file, progress))
        recording_id: str | None = response.headers.get("upload-recording-id")
        return recording_id

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Sends a request that may be sent again, until it is answered for good."""
        deadline = _Deadline()
        while True:
            try:
                return self._send(method, path, **arguments)
            except (ServerUnreachable, UploadRefused) as error:
                if not error.passes:
                    raise
                deadline.pause(error)

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Raises ServerUnreachable or UploadRefused."""
        try:
            response = self.http.request(method, path, **arguments)
        except httpx.TransportError as error:
            raise ServerUnreachable(str(self.http.base_url), str(error) or type(error).__name__) from error
        if not response.is_success:
            raise UploadRefused(response.status_code, _detail(response))
        return response


@dataclass(frozen=True)
class _State:
    """How many bytes of an upload the server has, and the recording that it has become."""

    offset: int
    recording_id: str | None


class _Deadline:
    """When trying again ends, with longer and longer pauses until then."""

    def __init__(self) -> None:
        self._end = time.monotonic() + PATIENCE_SECONDS
        self._pause_seconds = 0.5

    def pause(self, error: PegasusError) -> None:
        """Waits before another try. Raises the error once the time is over."""
        if time.monotonic() + self._pause_seconds > self._end:
            raise error
        time.sleep(self._pause_seconds)
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)


def _pieces(opened: BinaryIO, file: LocalFile, progress: Progress) -> Iterator[bytes]:
    """The rest of a file; the last piece only if the file is still as it was. Raises FileChanged."""
    while (rest := file.size - opened.tell()) > 0:
        piece = opened.read(min(PIECE_BYTES, rest))
        if not piece or len(piece) == rest:
            file.check_unchanged()
        yield piece
        progress(opened.tell())


def _detail(response: httpx.Response) -> str:
    """What the server says about a request that it has refused."""
    with suppress(ValueError):
        problem = response.json()
        if isinstance(problem, dict) and problem.get("detail"):
            return str(problem["detail"])
    return f"The server answers {response.status_code}."
