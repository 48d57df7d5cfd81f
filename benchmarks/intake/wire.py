"""One connection on loopback that never blocks and copies no file's bytes: sendfile out, MSG_TRUNC in."""

import os
import re
import socket
from dataclasses import replace

from benchmarks.intake.exchanges import Answer, Outgoing

HEAD_BYTES = 64 * 1024
SENT_AT_ONCE_BYTES = 4 * 1024 * 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LOCATION = re.compile(rb"\r\nlocation: *([^\r]*)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
# The kernel writes nothing here, and pages that nobody touches don't exist.
_NOWHERE = bytearray(SENT_AT_ONCE_BYTES)
_NO_BODY = (204, 304)


class AnswerUnknown(OSError):
    """What came back isn't an answer of known length."""


class Wire:
    """A connection to a port, on which one request and its answer are under way at a time."""

    def __init__(self, port: int, *, file: int, size: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._descriptor = self._socket.fileno()
        self._file = file
        self._size = size
        self._buffer = bytearray(HEAD_BYTES)
        self._view = memoryview(self._buffer)

    def fileno(self) -> int:
        """The socket's descriptor, for epoll; still the same after `close`."""
        return self._descriptor

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def begin(self, outgoing: Outgoing) -> None:
        """Makes a request the next to be sent."""
        self._head = memoryview(outgoing.head)
        self._tail = memoryview(outgoing.tail)
        self._offset = 0 if outgoing.with_file else self._size
        self._more = socket.MSG_MORE if outgoing.with_file else 0
        self._have = 0
        self._to_come = 0
        self._answer: Answer | None = None

    @property
    def all_sent(self) -> bool:
        """Whether the whole request is with the kernel."""
        return not self._head and not self._tail and self._offset == self._size

    def send(self) -> None:
        """Sends what the socket takes now. Raises OSError."""
        try:
            while self._head:
                self._head = self._head[self._socket.send(self._head, self._more) :]
            while self._offset < self._size:
                self._offset += os.sendfile(
                    self._descriptor, self._file, self._offset, min(self._size - self._offset, SENT_AT_ONCE_BYTES)
                )
            while self._tail:
                self._tail = self._tail[self._socket.send(self._tail) :]
        except BlockingIOError:
            return

    def receive(self) -> Answer | None:
        """The answer once all of it is there, else None. Raises OSError."""
        try:
            while self._answer is None:
                self._have += _received(self._socket.recv_into(self._view[self._have :]))
                self._read_head()
            while self._to_come and self._have < HEAD_BYTES:  # a short body is kept, in however many pieces it comes
                room = self._view[self._have : self._have + self._to_come]
                count = _received(self._socket.recv_into(room))
                self._have += count
                self._to_come -= count
            while self._to_come:
                wanted = min(self._to_come, len(_NOWHERE))
                self._to_come -= _received(self._socket.recv_into(_NOWHERE, wanted, socket.MSG_TRUNC))
        except BlockingIOError:
            return None
        return replace(self._answer, body=bytes(self._view[self._body_at : self._have]))

    def _read_head(self) -> None:
        end = self._buffer.find(b"\r\n\r\n", 0, self._have)
        if end < 0:
            return
        head = bytes(self._view[:end])
        status, length, location = int(head[9:12]), _LENGTH.search(head), _LOCATION.search(head)
        if length is None and status not in _NO_BODY:
            raise AnswerUnknown
        size = int(length[1]) if length and status not in _NO_BODY else 0
        self._body_at = end + 4
        self._to_come = size - (self._have - self._body_at)
        self._answer = Answer(
            status=status,
            length=size,
            location=location[1].decode() if location else "",
            closes=_CLOSES.search(head) is not None,
        )


def _received(count: int) -> int:
    if not count:
        raise AnswerUnknown
    return count
