"""Streams of bytes, cut anew."""

from collections.abc import AsyncGenerator, AsyncIterable


async def gathered(chunks: AsyncIterable[bytes], size: int) -> AsyncGenerator[bytes]:
    """Joins small chunks until they make at least `size` bytes; a large one passes as it is."""
    waiting: list[bytes] = []
    length = 0
    async for chunk in chunks:
        waiting.append(chunk)
        length += len(chunk)
        if length >= size:
            yield b"".join(waiting)
            waiting, length = [], 0
    if waiting:
        yield b"".join(waiting)
