"""Bursts: blocking transfers between a socket and memory or a file, in one thread, while the client keeps up.

They end at the first pause, so that no thread ever waits for a slow client.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from api.http1.listener import SILENCE_SECONDS
from storage.contract import Piece

BUFFER_BYTES = 512 * 1024
AT_ONCE_BYTES = 128 * 1024
SPARE_BUFFERS = 32
TURN_BYTES = 64 * 1024 * 1024
TURN_SECONDS = 1
PAUSE_SECONDS = 0.005

_spare_buffers: list[bytearray] = []


class ConnectionGone(OSError):
    """The client has disconnected, or stopped reading."""


class SocketReader:
    """Reads a body from a duplicated socket, in one thread.

    After each system call the thread has to wait for the interpreter's lock. So the kernel wakes it only for many bytes
    (SO_RCVLOWAT, socket(7)), and it reads what has arrived before it waits.
    """

    def __init__(self, sock: socket.socket, length: int) -> None:
        self._sock = sock
        self._waiter = select.poll()
        self._waiter.register(sock, select.POLLIN)
        self.unread_bytes = length

    def pass_on(self, sink: Callable[[Piece], None], buffer: bytearray) -> None:
        """Feeds `sink` until the client pauses, or TURN_BYTES or TURN_SECONDS are used up. Blocks."""
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
        """Fills the buffer until the client pauses, or until that time if bytes only trickle in."""
        room = memoryview(buffer)[: self.unread_bytes]
        filled, paused = 0, False
        while filled < len(room) and time.monotonic() < until:
            try:
                received = self._sock.recv_into(room[filled:])
            except BlockingIOError:
                if paused:
                    break
                self._wake_for(min(len(room) - filled, AT_ONCE_BYTES))
                paused = not self._waiter.poll(PAUSE_SECONDS * 1000)  # then the few bytes that may be there are read
                continue
            except OSError:  # the event loop will handle it
                break
            if not received:
                break
            filled += received
        self.unread_bytes -= filled
        return filled

    def _wake_for(self, count: int) -> None:
        with suppress(OSError):  # where that can't be set, the kernel wakes for each byte
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)

    def reset(self) -> None:
        """Restores SO_RCVLOWAT for the event loop, which needs to be woken for each byte."""
        self._wake_for(1)


@contextmanager
def borrowed_buffer() -> Iterator[bytearray]:
    """A reused buffer to read into: allocating new memory would cost as much as the reading."""
    buffer = _spare_buffers.pop() if _spare_buffers else bytearray(BUFFER_BYTES)
    try:
        yield buffer
    finally:
        if len(_spare_buffers) < SPARE_BUFFERS:
            _spare_buffers.append(buffer)


def send_burst(sock: socket.socket, descriptor: int, *, start: int, count: int) -> int:
    """Sends a file's bytes until the client pauses, at most TURN_BYTES; blocks.

    Returns the number of bytes sent. Raises ConnectionGone.
    """
    waiter = select.poll()
    waiter.register(sock, select.POLLOUT)
    total, count = 0, min(count, TURN_BYTES)
    while total < count:
        try:
            written = os.sendfile(sock.fileno(), descriptor, start + total, count - total)
        except BlockingIOError:
            pass
        except OSError as error:
            raise ConnectionGone from error
        else:
            if not written:
                raise ConnectionGone  # the file has become shorter
            total += written
        if total < count and not waiter.poll(PAUSE_SECONDS * 1000):  # less was written than could be: there is no room
            break
    return total


async def writable(sock: socket.socket) -> None:
    """Waits until the client reads again. Raises ConnectionGone after SILENCE_SECONDS."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_writer(sock, ready.set)
    try:
        await asyncio.wait_for(ready.wait(), SILENCE_SECONDS)
    except TimeoutError as error:
        raise ConnectionGone from error
    finally:
        loop.remove_writer(sock)
