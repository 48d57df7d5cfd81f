"""What hashes recordings gives the digest of their bytes, however these come and whatever is done with them then."""

import hashlib
import os
import random
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage.contract import PIECE_BYTES, Piece
from storage.hashing import OFFLOAD_BYTES, Digest, sha256_of

NOISE = os.urandom(4 * PIECE_BYTES)
AT_ONCE = 8
ROUNDS = 50
CUTS = (0, 1, 100, 64 * 1024, OFFLOAD_BYTES - 1, OFFLOAD_BYTES, OFFLOAD_BYTES + 1, PIECE_BYTES - 1, PIECE_BYTES)


def pieces(rounds: random.Random) -> Iterator[bytes]:
    """Some noise, cut by chance into pieces that are hashed here and there."""
    at = 0
    while at < len(NOISE):
        size = rounds.choice(CUTS) or rounds.randrange(2 * PIECE_BYTES)
        yield NOISE[at : at + size]
        at += size


def plain(content: bytes) -> tuple[Piece, Callable[[], object]]:
    """Bytes that nobody can change, and nothing that is done with them."""
    return content, lambda: None


def reused(content: bytes) -> tuple[Piece, Callable[[], object]]:
    """A buffer, and how the next bytes are read into it."""
    buffer = bytearray(content)
    return buffer, lambda: buffer.__setitem__(slice(None), bytes(len(buffer)))


def seen_in(content: bytes) -> tuple[Piece, Callable[[], object]]:
    """A part of a larger buffer, which is then reused."""
    buffer = bytearray(b"--" + content + b"--")
    return memoryview(buffer)[2:-2], lambda: buffer.__setitem__(slice(None), bytes(len(buffer)))


@pytest.mark.parametrize("lend", [plain, reused, seen_in])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
def test_a_digest_is_that_of_the_bytes(
    algorithm: str, lend: Callable[[bytes], tuple[Piece, Callable[[], object]]]
) -> None:
    """Many at once, cut in any way, from buffers that are overwritten as soon as they are handed in: all are right."""
    expected = hashlib.new(algorithm, NOISE).digest()

    def hashed(seed: int) -> bytes:
        digest = Digest(algorithm)
        for content in pieces(random.Random(seed)):
            piece, overwrite = lend(content)
            digest.update(piece)
            overwrite()
        return digest.digest()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        assert set(threads.map(hashed, range(ROUNDS))) == {expected}


def test_a_copy_goes_its_own_way() -> None:
    """What is remembered of a digest on the way stays what it was, and goes on from there."""
    for _ in range(ROUNDS):
        digest = Digest()
        digest.update(bytearray(NOISE[:PIECE_BYTES]))
        copy = digest.copy()
        digest.update(bytearray(NOISE[PIECE_BYTES:]))
        assert copy.hexdigest() == hashlib.sha256(NOISE[:PIECE_BYTES]).hexdigest()
        copy.update(NOISE[PIECE_BYTES:])
        assert copy.hexdigest() == digest.hexdigest() == hashlib.sha256(NOISE).hexdigest()


async def test_what_passes_is_what_is_hashed() -> None:
    """A sink gets every piece as it is read, and the digest is that of all."""
    taken = bytearray()

    async def read() -> AsyncGenerator[bytes]:
        for piece in pieces(random.Random(0)):
            yield piece

    assert await sha256_of(read(), sink=taken.extend) == hashlib.sha256(NOISE).hexdigest()
    assert taken == NOISE
