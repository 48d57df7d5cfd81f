"""Bursts: much at once between a socket and memory or a file, in one thread, for as long as the other side keeps up.

They end at the first pause, so that no thread ever waits for a slow client.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from storage.contract import Piece

BUFFER_BYTES = 512 * 1024
AT_ONCE_BYTES = 128 * 1024
SPARE_BUFFERS = 32
TURN_BYTES = 64 * 1024 * 1024
TURN_SECONDS = 1
PAUSE_SECONDS = 0.005
SILENCE_SECONDS = 60

_spare_buffers: list[bytearray] = []


class ConnectionGone(OSError):
    """The client has closed the connection, or takes nothing any more."""


class Reader:
    """Reads a body from a lent socket, in one thread.

    Each return from the system costs a thread its turn with the interpreter. So the system is asked to wake it only
    for much at once (SO_RCVLOWAT, socket(7)), and what has come is read before anything is waited for.
    """

    def __init__(self, lent: socket.socket, length: int) -> None:
        self._lent = lent
        self._waiter = select.poll()
        self._waiter.register(lent, select.POLLIN)
        self.unread_bytes = length

    def pass_on(self, sink: Callable[[Piece], None], buffer: bytearray) -> None:
        """Hands on what comes without a pause, and not more than is fair to others. Blocks."""
        stop, latest = self.unread_bytes - TURN_BYTES, time.monotonic() + TURN_SECONDS
        while True:
            filled = self._fill(buffer, until=latest)
            if filled == len(buffer):
                sink(buffer)
            elif filled:
                sink(bytes(memoryview(buffer)[:filled]))
            if filled < len(buffer) or self.unread_bytes <= max(stop, 0):
                return

    def _fill(self, buffer: bytearray, *, until: float) -> int:
        """Fills the buffer as far as bytes come without a pause; `until` keeps drops from holding the thread."""
        room = memoryview(buffer)[: self.unread_bytes]
        filled, paused = 0, False
        while filled < len(room) and time.monotonic() < until:
            try:
                received = self._lent.recv_into(room[filled:])
            except BlockingIOError:
                if paused:
                    break
                self._wake_for(min(len(room) - filled, AT_ONCE_BYTES))
                paused = not self._waiter.poll(PAUSE_SECONDS * 1000)  # then what little may have come is read
                continue
            except OSError:  # the event loop will see what it is
                break
            if not received:
                break
            filled += received
        self.unread_bytes -= filled
        return filled

    def _wake_for(self, count: int) -> None:
        with suppress(OSError):  # where that can't be set, the system wakes for each byte
            self._lent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def give_back(self) -> None:
        """The event loop wants to know of each byte."""
        self._wake_for(1)


@contextmanager
def lent_buffer() -> Iterator[bytearray]:
    """A buffer to read into, which goes to the next who wants one: new memory would cost as much as the reading."""
    buffer = _spare_buffers.pop() if _spare_buffers else bytearray(BUFFER_BYTES)
    try:
        yield buffer
    finally:
        if len(_spare_buffers) < SPARE_BUFFERS:
            _spare_buffers.append(buffer)


def send_burst(lent: socket.socket, descriptor: int, *, start: int, count: int) -> int:
    """Sends of a file what the client takes without a pause, and not more than is fair to others; blocks.

    Returns how many bytes went. Raises ConnectionGone.
    """
    waiter = select.poll()
    waiter.register(lent, select.POLLOUT)
    sent, count = 0, min(count, TURN_BYTES)
    while sent < count:
        try:
            now = os.sendfile(lent.fileno(), descriptor, start + sent, count - sent)
        except BlockingIOError:
            if not waiter.poll(PAUSE_SECONDS * 1000):
                break
            continue
        except OSError as error:
            raise ConnectionGone from error
        if not now:
            raise ConnectionGone  # the file is shorter than it was
        sent += now
    return sent


async def writable(lent: socket.socket) -> None:
    """Waits until the client takes more. Raises ConnectionGone when it doesn't for long."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(lent, ready.set)
    try:
        await asyncio.wait_for(ready.wait(), SILENCE_SECONDS)
    except TimeoutError as error:
        raise ConnectionGone from error
    finally:
        loop.remove_writer(lent)
