"""Digests of bytes as they pass: the one place where recordings are hashed, on their way in and wherever one is proved.

A large piece is hashed in a thread of its own, beside whatever its caller does next, but for the caller it is as if it
had been hashed at once: pieces are taken in one after the other, and what may still change is copied first.
"""

import hashlib
import os
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from functools import cache, partial

from storage.contract import Piece
from storage.threads import in_thread

ASIDE_BYTES = 256 * 1024
ASIDE_THREADS = max(1, (os.cpu_count() or 1) // 2)  # where all processors have enough to do, there is no beside
_free = [bytearray() for _ in range(ASIDE_THREADS)]  # for each thread that has nothing to do, memory of its own


class Digest:
    """A running digest, to be used as one of hashlib's; `algorithm` is hashlib's name for it."""

    def __init__(self, algorithm: str = "sha256") -> None:
        self._hash = hashlib.new(algorithm)
        self._aside: Future[None] | None = None

    def update(self, piece: Piece) -> None:
        """Takes in the next bytes; the caller may do with them what it likes once this returns."""
        self._wait()
        own = _taken() if len(piece) >= ASIDE_BYTES else None
        if own is None:
            self._hash.update(piece)
        else:
            if not isinstance(piece, bytes):  # as those can't change, they needn't be copied
                own[:] = piece
                piece = own
            self._aside = _threads().submit(self._update_aside, piece, own)

    def digest(self) -> bytes:
        """The digest of all bytes so far."""
        self._wait()
        return self._hash.digest()

    def hexdigest(self) -> str:
        """The same in hexadecimal."""
        return self.digest().hex()

    def copy(self) -> "Digest":
        """Another one that has taken in the same."""
        self._wait()
        copy = Digest(self._hash.name)
        copy._hash = self._hash.copy()
        return copy

    def _update_aside(self, piece: bytes | bytearray, own: bytearray) -> None:
        try:
            self._hash.update(piece)
        finally:
            _free.append(own)

    def _wait(self) -> None:
        if self._aside is not None:
            self._aside.result()
            self._aside = None


async def sha256_of(
    pieces: AsyncGenerator[bytes],
    *,
    progress: Callable[[int], object] = lambda _size_bytes: None,
    sink: Callable[[bytes], object] | None = None,
) -> str:
    """The SHA-256 of all pieces in hexadecimal; each goes to `sink` on the way, which may block.

    `progress` is called with the size of each piece. Raises what reading the pieces and the sink do.
    """
    digest = Digest()
    async with aclosing(pieces):
        async for piece in pieces:
            digest.update(piece)
            if sink is not None:
                await in_thread(partial(sink, piece))
            progress(len(piece))
    return digest.hexdigest()


def _taken() -> bytearray | None:
    try:
        return _free.pop()
    except IndexError:
        return None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(ASIDE_THREADS, thread_name_prefix="digest")
