"""Bursts: much at once between a socket and memory or a file, in one thread, for as long as the other side keeps up.

They end at the first pause, so that no thread ever waits for a slow client.
"""

import asyncio
import os
import select
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle
from typing import Self

from storage.contract import Piece

BUFFER_BYTES = 512 * 1024
AT_ONCE_BYTES = 128 * 1024
SPARE_PAIRS = 16
TURN_BYTES = 64 * 1024 * 1024
TURN_SECONDS = 1
PAUSE_SECONDS = 0.005
SILENCE_SECONDS = 60

Pair = tuple[bytearray, bytearray]
_spare_pairs: list[Pair] = []


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

    def pass_on(self, sink: Callable[[Piece], None], buffers: "Buffers") -> None:
        """Hands on what comes without a pause, and not more than is fair to others. Blocks."""
        stop, latest = self.unread_bytes - TURN_BYTES, time.monotonic() + TURN_SECONDS
        for buffer in cycle(buffers.pair):
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


class Buffers:
    """Two buffers to read into in turn; `with` gives them back when nobody looks at what is in them any more."""

    def __init__(self) -> None:
        self._pair: Pair | None = None

    @property
    def pair(self) -> Pair:
        """The two, made when they are first wanted."""
        if self._pair is None:
            self._pair = _spare_pairs.pop() if _spare_pairs else (bytearray(BUFFER_BYTES), bytearray(BUFFER_BYTES))
        return self._pair

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pair is not None and len(_spare_pairs) < SPARE_PAIRS:
            _spare_pairs.append(self._pair)


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
