"""Digests of streams of bytes: all recordings are hashed here, on upload and whenever one is verified.

A large piece is hashed in another thread while its caller goes on. The result is as if it were hashed at once: pieces
are hashed one after the other, and a piece whose memory may change is copied first.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future
from contextlib import aclosing
from functools import partial

from storage.contract import Piece
from storage.threads import in_thread, thread_pool

OFFLOAD_BYTES = 256 * 1024
OFFLOAD_THREADS = max(1, (os.cpu_count() or 1) // 2)  # beyond, busy processors gain nothing
_free_buffers = [bytearray() for _ in range(OFFLOAD_THREADS)]  # one per idle thread


class Digest:
    """A running digest with hashlib's interface; `algorithm` is hashlib's name for it."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self._hash = hashlib.new(algorithm)
        self._pending: Future[None] | None = None

    def update(self, piece: Piece) -> None:
        """Hashes the next bytes; once this returns, the caller may change their memory."""
        self._wait()
        buffer = _acquire_buffer() if len(piece) >= OFFLOAD_BYTES else None
        if buffer is None:
            self._hash.update(piece)
        else:
            if not isinstance(piece, bytes):  # as those can't change, they needn't be copied
                buffer[:] = piece
                piece = buffer
            self._pending = thread_pool("digest", OFFLOAD_THREADS).submit(self._update_offloaded, piece, buffer)

    def digest(self) -> bytes:
        self._wait()
        return self._hash.digest()

    def hexdigest(self) -> str:
        return self.digest().hex()

    def copy(self) -> "Digest":
        self._wait()
        copy = Digest(self._hash.name)
        copy._hash = self._hash.copy()
        return copy

    def _update_offloaded(self, piece: bytes | bytearray, buffer: bytearray) -> None:
        try:
            self._hash.update(piece)
        finally:
            _free_buffers.append(buffer)

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()
            self._pending = None


async def sha256_of(
    pieces: AsyncGenerator[bytes],
    *,
    progress: Callable[[int], object] = lambda _size_bytes: None,
    sink: Callable[[bytes], object] | None = None,
) -> str:
    """The SHA-256 of all pieces in hexadecimal; each piece is also passed to `sink`, which may block.

    `progress` is called with the size of each piece. Raises what the pieces and the sink raise.
    """
    digest = Digest()
    async with aclosing(pieces):
        async for piece in pieces:
            digest.update(piece)
            if sink is not None:
                await in_thread(partial(sink, piece))
            progress(len(piece))
    return digest.hexdigest()


def _acquire_buffer() -> bytearray | None:
    try:
        return _free_buffers.pop()
    except IndexError:
        return None
